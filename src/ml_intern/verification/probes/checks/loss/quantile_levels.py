"""The loss of a quantile is smallest at that quantile, not at the one opposite.

Source: Koenker and Bassett, "Regression quantiles" (1978): the error is target less prediction.
"""

from __future__ import annotations

import re

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, check, failed, not_applicable, passed

_NAME = re.compile(r"quantile|tau|level", re.IGNORECASE)
_ROWS, _STEPS = 256, 24
_OFF = 0.15
_WIDE = 6.0


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def quantile_levels(candidate: Candidate) -> Outcome | None:
    """Seek the constant prediction of each level that the loss likes best, by halving."""
    levels = _levels(candidate)
    target = candidate.contract.target
    if levels is None or not candidate.is_single or target is None or target.dtype == "int64":
        return not_applicable("no constant of the program names levels of quantiles that one output has")
    batch = candidate.batch(_ROWS, seed=3)
    best = _best(candidate, batch, len(levels))
    if best is None:
        return not_applicable("the loss has no slope in each level")
    shares = [(batch[-1] <= value).float().mean().item() for value in best.tolist()]
    told = ", ".join(f"{level:g} at {share:.2f}" for level, share in zip(levels, shares, strict=True))
    if all(abs(share - level) <= _OFF for share, level in zip(shares, levels, strict=True)):
        return passed(f"the loss is smallest for {told}")
    return failed(
        f"the loss of each level is smallest at another quantile of the targets: {told}",
        where=candidate.place(candidate.module.compute_loss),
        advice="error = target - prediction; max(level * error, (level - 1) * error)",
    )


def _levels(candidate: Candidate) -> list[float] | None:
    shape = candidate.contract.outputs[0]
    for name, value in vars(candidate.module).items():
        if not _NAME.search(name) or not isinstance(value, list | tuple | torch.Tensor) or len(value) < 2:
            continue
        levels = [float(level) for level in value]
        if len(shape) > 1 and shape[-1] == len(levels) and all(0 < level < 1 for level in levels):
            return levels
    return None


def _best(candidate: Candidate, batch: Tensors, count: int) -> torch.Tensor | None:
    low, high = torch.full((count,), -_WIDE), torch.full((count,), _WIDE)
    if not bool((_slope(candidate, batch, low) * _slope(candidate, batch, high) < 0).all()):
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        rises = _slope(candidate, batch, middle) > 0
        low, high = torch.where(rises, low, middle), torch.where(rises, middle, high)
    return (low + high) / 2


def _slope(candidate: Candidate, batch: Tensors, values: torch.Tensor) -> torch.Tensor:
    """Give the slope of the loss in a constant prediction of each level; values: (levels,)."""
    given = values.clone().requires_grad_()
    loss = candidate.loss(given.expand(candidate.output_shapes(_ROWS)[0]), batch)
    return torch.autograd.grad(loss, given)[0]
