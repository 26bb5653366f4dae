"""The loss of a batch is the same when every row occurs twice.

A sum in place of a mean, or a division by a constant, makes the learning rate depend on the batch size. A deviation
over n - 1 rows does so too, but less the more rows there are: that is right.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, listed
from probes.checks.base import Outcome, StopError, check, failed, not_applicable

_FEW, _MANY = 4, 64


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def loss_scaling(candidate: Candidate) -> Outcome | None:
    """Double outputs and targets of a few rows; where that matters, of many."""
    if candidate.contract.task in {"contrastive", "density"}:
        return not_applicable("the loss compares the rows of a batch")
    once, twice = _doubled(candidate, _FEW)
    if not _differ(once, twice):
        return None
    many = _doubled(candidate, _MANY)
    if _differ(*many) and abs(many[0] - many[1]) > abs(once - twice) / 3:
        return failed(
            f"the loss is {once:.4g}, and {twice:.4g} when every row occurs twice: it depends on the batch size",
            where=candidate.place(candidate.module.compute_loss),
            advice="use the mean over what is labelled, not a sum and no division by a fixed number",
        )
    return None


def _doubled(candidate: Candidate, rows: int) -> tuple[float, float]:
    """Give the loss of `rows` rows, and of the same rows twice."""
    batch = candidate.batch(rows)
    with torch.no_grad():
        output = candidate.build().train()(*candidate.model_inputs(batch))
    if any(len(tensor) != rows for tensor in [*listed(output), *batch] if tensor.ndim) or any(
        tensor.ndim == 0 for tensor in listed(output)
    ):
        raise StopError(not_applicable("an output has no batch axis in front"))
    twice = tuple(torch.cat([o, o]) for o in output) if isinstance(output, tuple | list) else torch.cat([output] * 2)
    doubled = [torch.cat([tensor, tensor]) for tensor in batch]
    return candidate.loss(output, batch).item(), candidate.loss(twice, doubled).item()


def _differ(once: float, twice: float) -> bool:
    return abs(once - twice) > 1e-2 * abs(once) + 1e-6
