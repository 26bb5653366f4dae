"""No weight begins with all rows alike and gets the same gradient for each: training would never tell them apart.

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


@check(family="gradients", cost="cheap", needs=("forward", "loss", "dead-parameters"))
def equal_rows(candidate: Candidate) -> Outcome | None:
    """Compare the rows of each weight, and where they are equal those of its gradient on one batch."""
    network = candidate.build().train()
    equal = {name: p for name, p in network.named_parameters() if p.requires_grad and _are_equal(_rows(p), 0.0)}
    if not equal:
        return None
    training_loss(candidate, network, seed=0, batch=16).backward()
    for name, parameter in equal.items():
        slope = parameter.grad
        if slope is not None and bool(slope.any()) and _are_equal(_rows(slope), _ALIKE):
            return failed(
                f"all {len(_rows(parameter))} rows of {name}{assigned_at(network, name, candidate.root)} begin alike "
                "and get the same gradient, so they stay alike",
                where=candidate.forward_place,
                advice="begin with random numbers, or with zeros only where each row is used for something else",
            )
    return None


def _rows(tensor: torch.Tensor) -> torch.Tensor:
    """Give a weight as (rows, numbers), axes of size 1 in front left out; what has no two rows becomes one row."""
    tensor = tensor.detach()
    while tensor.ndim > 1 and tensor.shape[0] == 1:
        tensor = tensor[0]
    return tensor.flatten(1) if tensor.ndim > 1 else tensor.reshape(1, -1)


def _are_equal(rows: torch.Tensor, tolerance: float) -> bool:
    if len(rows) < 2 or rows.shape[1] == 0:
        return False
    return bool((rows - rows[:1]).abs().max() <= tolerance * rows.abs().max())
