"""The order of the rows of a batch does not change its loss."""

from __future__ import annotations

import torch
from probes.candidate import Candidate, listed
from probes.checks.base import Outcome, check, failed, not_applicable


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def loss_order(candidate: Candidate) -> Outcome | None:
    """Permute outputs and targets together."""
    batch = candidate.batch(4)
    with torch.no_grad():
        output = candidate.build().train()(*candidate.model_inputs(batch))
    if any(tensor.ndim == 0 or len(tensor) != 4 for tensor in [*listed(output), *batch]):
        return not_applicable("an output has no batch axis in front")
    if candidate.is_single and tuple(output.shape) == (4, 4):
        return not_applicable("the output compares the rows of the batch with each other")
    order = torch.tensor([2, 0, 3, 1])
    moved = tuple(o[order] for o in output) if isinstance(output, tuple | list) else output[order]
    before = candidate.loss(output, batch).item()
    after = candidate.loss(moved, [tensor[order] for tensor in batch]).item()
    if abs(before - after) > 1e-3 * abs(before) + 1e-6:
        return failed(
            f"the loss is {before:.4g}, and {after:.4g} when the rows stand in another order",
            where=candidate.place(candidate.module.compute_loss),
            advice="outputs and targets are matched wrongly: look at view, reshape, transpose and roll in the loss",
        )
    return None
