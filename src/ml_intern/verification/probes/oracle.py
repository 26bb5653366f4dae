"""Make the outputs that a perfect network would give for a batch, and those of one that is always wrong."""

from __future__ import annotations

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import StopError, not_applicable
from torch.nn import functional

SHARP = 20.0
"""Logit of the right class; the others are 0."""
CLASS_ORACLES = ("onehot", "onehot_last", "next_token")


def class_axis(candidate: Candidate) -> int:
    """Give the axis of the output along which the classes lie.

    Raises:
        StopError: the output has no classes.
    """
    if candidate.contract.oracle not in CLASS_ORACLES or not candidate.is_single or not candidate.contract.classes:
        raise StopError(not_applicable("only where one output holds the logits of known classes"))
    return 1 if candidate.contract.oracle == "onehot" else -1


def labels(candidate: Candidate, batch: Tensors) -> torch.Tensor:
    """Give the class of every labelled position; ignored ones keep their mark."""
    return batch[0][:, 1:] if candidate.contract.oracle == "next_token" else batch[-1]


def ideal(candidate: Candidate, batch: Tensors, *, sharp: float = SHARP, wrong: bool = False) -> object:
    """Give what a perfect network, or one that is always wrong, would give for `batch`.

    Raises:
        StopError: the contract does not say how.
    """
    oracle = candidate.contract.oracle
    if oracle in CLASS_ORACLES:
        return _classes(candidate, labels(candidate, batch), sharp, wrong=wrong)
    if oracle == "binary_logit":
        return (batch[-1] * 2 - 1) * sharp * (-1 if wrong else 1)
    if oracle == "regression":
        return _other(batch[-1]) if wrong else batch[-1].clone()
    if oracle == "reconstruction":
        return _reconstruction(candidate, batch[0], wrong=wrong)
    raise StopError(not_applicable("the contract names no oracle"))


def _classes(candidate: Candidate, right: torch.Tensor, sharp: float, *, wrong: bool) -> torch.Tensor:
    count = candidate.contract.classes
    ignored = candidate.contract.target.ignore if candidate.contract.target else None
    known = (right if ignored is None else right.masked_fill(right == ignored, 0)).clamp(min=0)
    chosen = (known + 1) % count if wrong else known
    logits = functional.one_hot(chosen, count).float() * sharp
    return logits.movedim(-1, 1).contiguous() if candidate.contract.oracle == "onehot" else logits


def _reconstruction(candidate: Candidate, target: torch.Tensor, *, wrong: bool) -> object:
    made = _other(target) if wrong else target.clone()
    others = [torch.zeros(shape) for shape in candidate.output_shapes(len(target))[1:]]
    return (made, *others) if others else made


def _other(target: torch.Tensor) -> torch.Tensor:
    return torch.randn(target.shape, generator=torch.Generator().manual_seed(977))
