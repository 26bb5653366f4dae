"""What a recording reads off an optimizer at its step, and off the columns of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.optim import lr_scheduler

_LENGTHS = {"CosineAnnealingLR": "T_max", "OneCycleLR": "total_steps", "PolynomialLR": "total_iters"}
_DIVIDING = frozenset({"Adam", "NAdam", "RAdam", "Adamax"})
"""Optimizers that divide a decay which is added to the slope; AdamW takes it off the weights instead."""


def decay_in_slope(optimizer: torch.optim.Optimizer) -> tuple[float, float]:
    """Give the largest decay that is added to a slope which is then divided, and its share of that slope's norm."""
    decay = added = slope = 0.0
    for group in optimizer.param_groups if type(optimizer).__name__ in _DIVIDING else ():
        if not group.get("weight_decay") or group.get("decoupled_weight_decay"):
            continue
        decay = max(decay, float(group["weight_decay"]))
        for parameter in group["params"]:
            if parameter.grad is not None:
                added += float((group["weight_decay"] * parameter.detach()).square().sum())
                slope += float(parameter.grad.square().sum())
    return decay, (added / (added + slope)) ** 0.5 if added else 0.0


@contextmanager
def schedules_watched() -> Iterator[dict[int, lr_scheduler.LRScheduler]]:
    """Give the schedules that are stepped meanwhile."""
    step, found = lr_scheduler.LRScheduler.step, {}

    def watched(schedule: lr_scheduler.LRScheduler, *args: object, **kwargs: object) -> None:
        found[id(schedule)] = schedule
        step(schedule, *args, **kwargs)

    lr_scheduler.LRScheduler.step = watched
    try:
        yield found
    finally:
        lr_scheduler.LRScheduler.step = step


def lengths(schedules: dict[int, lr_scheduler.LRScheduler]) -> list[tuple[str, int, int]]:
    """Give kind, length, and how often it was stepped, of the schedules that have a length."""
    kinds = [(type(schedule).__name__, schedule) for schedule in schedules.values()]
    return [
        (kind, int(getattr(schedule, _LENGTHS[kind])), schedule.last_epoch)
        for kind, schedule in kinds
        if kind in _LENGTHS
    ]


def symmetric_columns(rows: list[torch.Tensor]) -> list[int]:
    """Give the places of tensors that hold a symmetric matrix in every row, and not only diagonal ones."""
    return [place for place, column in enumerate(rows) if is_symmetric(column) and bool(column.float().triu(1).any())]


def is_symmetric(column: object) -> bool:
    """Tell a tensor of symmetric matrices: (batch, nodes, nodes)."""
    is_matrix = isinstance(column, torch.Tensor) and column.ndim == 3 and column.shape[1] == column.shape[2] > 2
    return is_matrix and torch.equal(column, column.transpose(1, 2))


def is_reordered(column: torch.Tensor, known: set[bytes]) -> bool:
    """Tell whether matrices that are not symmetric hold the numbers of matrices that are: one axis was reordered."""
    return not is_symmetric(column) and all(numbers(matrix) in known for matrix in column)


def numbers(matrix: torch.Tensor) -> bytes:
    """Give the numbers of a matrix, whatever their places."""
    return matrix.detach().flatten().sort().values.numpy().tobytes()


def total(network: torch.nn.Module) -> float:
    """Give the sum of all trained numbers: the same weights give the same sum."""
    return sum(float(p.detach().double().sum()) for p in network.parameters() if p.requires_grad)
