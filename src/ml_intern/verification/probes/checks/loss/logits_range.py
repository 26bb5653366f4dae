"""Outputs that a cross entropy takes are logits: of both signs, and not already probabilities.

Source: PyTorch documentation of CrossEntropyLoss: "input is expected to contain the unnormalized logits".
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, close, listed
from probes.checks.base import Outcome, check, failed
from probes.losses import kind_of
from probes.oracle import class_axis

_SHAPES = {"View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Select", "Slice", "T", "Transpose", "Permute"}
_SHAPES |= {"Clone", "Expand", "Alias"}
_SUMS = {"Addmm", "Mm", "Bmm", "Linear", "Convolution", "Addbmm", "Baddbmm"}


@check(family="loss", cost="cheap", needs=("forward",))
def logits_range(candidate: Candidate) -> Outcome | None:
    """Look at the outputs of wide random inputs; those of a last linear layer are logits, whatever their signs."""
    binary = candidate.contract.oracle == "binary_logit"
    axis = -1 if binary else class_axis(candidate)
    inputs = [3 * given if given.is_floating_point() else given for given in candidate.inputs(16)]
    output = listed(candidate.warm(*inputs))[0]
    if _is_weighted_sum(output.grad_fn):
        return None
    output = output.detach()
    sums = output.sum(axis)
    never_negative = bool((output >= 0).all())
    probabilities = never_negative and (
        bool((output <= 1).all()) if binary else close(sums, torch.ones_like(sums), 1e-3)
    )
    if probabilities:
        return failed(
            "the outputs are already probabilities, and the loss squashes them once more",
            where=candidate.forward_place,
            advice="return logits; cross_entropy applies log_softmax, binary_cross_entropy_with_logits the sigmoid",
        )
    if never_negative and output.numel() >= 32:
        return failed(
            "the outputs are never negative, so no class can be excluded",
            where=candidate.forward_place,
            advice="no ReLU, softplus, square or exponential after the last layer",
        )
    return None


def _is_weighted_sum(node: object) -> bool:
    """Tell whether the output is that of a linear layer or convolution, reshaped or with something added."""
    kind, before = kind_of(node), _before(node)
    if kind in _SHAPES:
        return any(_is_weighted_sum(parent) for parent in before[:1])
    if kind == "Add":
        return any(_is_weighted_sum(parent) for parent in before)
    return kind in _SUMS and any(_is_parameter(parent) for parent in before)


def _is_parameter(node: object) -> bool:
    return kind_of(node) == "Accumulate" or (kind_of(node) in _SHAPES and any(map(_is_parameter, _before(node))))


def _before(node: object) -> list[object]:
    return [parent for parent, _ in node.next_functions] if node is not None else []
