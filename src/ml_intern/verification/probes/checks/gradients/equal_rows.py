"""No weight begins with all rows, or columns, alike and gets the same gradient for each: they would stay alike.

Source: Goodfellow, Bengio and Courville, Deep Learning (2016), section 8.4: initial parameters need to break symmetry
between different units.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from probes.checks.gradients.dead_parameters import training_loss
from probes.locate import assigned_at

_ALIKE = 1e-3
"""Largest difference between rows of one gradient, against its largest value, that is left to rounding."""


@check(family="gradients", cost="cheap", needs=("forward", "loss"))
def equal_rows(candidate: Candidate) -> Outcome | None:
    """Compare the rows of each weight, and where they are equal those of its gradient on a batch; columns likewise."""
    network = candidate.build().train()
    equal = [
        (way, name, parameter)
        for name, parameter in network.named_parameters()
        for way in ("rows", "columns")
        if parameter.requires_grad and _are_equal(_lines(parameter, way), 0.0)
    ]
    if not equal:
        return None
    training_loss(candidate, network, seed=0, batch=16).backward()
    for way, name, parameter in equal:
        slope = parameter.grad
        if slope is not None and bool(slope.any()) and _are_equal(_lines(slope, way), _ALIKE):
            return failed(
                f"all {len(_lines(parameter, way))} {way} of {name}{assigned_at(network, name, candidate.root)} begin "
                "alike and get the same gradient, so they stay alike",
                where=candidate.forward_place,
                advice="begin with random numbers, or with zeros only where each row is used for something else",
            )
    return None


def _lines(tensor: torch.Tensor, way: str) -> torch.Tensor:
    """Give a weight as (rows, numbers), axes of size 1 in front left out; what has no two rows becomes one row.

    By columns (columns, numbers), for weights with two axes of their own.
    """
    tensor = tensor.detach()
    if way == "columns":
        return tensor.T if tensor.ndim == 2 and min(tensor.shape) > 1 else tensor.reshape(1, -1)
    while tensor.ndim > 1 and tensor.shape[0] == 1:
        tensor = tensor[0]
    return tensor.flatten(1) if tensor.ndim > 1 else tensor.reshape(1, -1)


def _are_equal(rows: torch.Tensor, tolerance: float) -> bool:
    if len(rows) < 2 or rows.shape[1] == 0:
        return False
    return bool((rows - rows[:1]).abs().max() <= tolerance * rows.abs().max())
