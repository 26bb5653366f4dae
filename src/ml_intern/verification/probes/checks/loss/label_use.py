"""Every label that counts moves the loss, and none that is marked as ignored does.

Source: PyTorch documentation of CrossEntropyLoss, `ignore_index`.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, check, failed
from probes.oracle import class_axis, labels


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def label_use(candidate: Candidate) -> Outcome | None:
    """See at which positions the loss has a gradient."""
    axis = class_axis(candidate)
    contract = candidate.contract
    batch = candidate.batch(4)
    pads = contract.oracle == "next_token" and contract.pad_id is not None
    if pads:
        batch[0][:, 5:] = contract.pad_id
    output = torch.randn(candidate.output_shapes(4)[0], requires_grad=True)
    candidate.loss(output, batch).backward()
    slope = output.grad.abs().sum(axis)
    right = labels(candidate, batch)
    if slope.shape != right.shape:
        return None
    ignored = _ignored(candidate, right)
    where = candidate.place(candidate.module.compute_loss)
    if bool((slope[ignored] > 0).any()):
        return failed(
            f"{int((slope[ignored] > 0).sum())} positions whose label is to be ignored count in the loss",
            where=where,
            advice=f"pass ignore_index={_mark(candidate)} to cross_entropy, or mask them before the mean",
        )
    if bool((slope[~ignored] == 0).any()):
        return failed(
            f"{int((slope[~ignored] == 0).sum())} of {int((~ignored).sum())} labelled positions do not count in the "
            f"loss, the first at {_first(~ignored & (slope == 0))}",
            where=where,
            advice="check the slices of outputs and targets: each label belongs to exactly one output",
        )
    return None


def _ignored(candidate: Candidate, right: torch.Tensor) -> torch.Tensor:
    mark = _mark(candidate)
    return torch.zeros_like(right, dtype=torch.bool) if mark is None else right == mark


def _mark(candidate: Candidate) -> int | None:
    contract = candidate.contract
    if contract.oracle == "next_token":
        return contract.pad_id
    return contract.target.ignore if contract.target else None


def _first(where: torch.Tensor) -> Tensors:
    return where.nonzero()[0].tolist()
