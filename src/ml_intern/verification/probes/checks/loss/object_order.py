"""A detection loss does not depend on the order in which the objects of an image are listed.

Source: Carion et al., arXiv 2005.12872 §3.1: a loss on sets, invariant to permutation.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def object_order(candidate: Candidate) -> Outcome | None:
    """Permute the objects of all targets together."""
    candidate.task_in("detection")
    batch = candidate.batch(4)
    count = len(candidate.contract.inputs)
    targets = batch[count:]
    sizes = {tensor.shape[1] for tensor in targets if tensor.ndim > 1}
    if len(sizes) != 1 or max(sizes) < 2 or any(tensor.ndim < 2 for tensor in targets):
        return not_applicable("the targets list no objects along their second axis")
    with torch.no_grad():
        output = candidate.network(*candidate.model_inputs(batch))
    turned = [*batch[:count], *(tensor.flip(1) for tensor in targets)]
    before, after = candidate.loss(output, batch).item(), candidate.loss(output, turned).item()
    if abs(before - after) > 1e-3 * abs(before) + 1e-6:
        return failed(
            f"the loss is {before:.4g}, and {after:.4g} when the objects are listed in another order",
            where=candidate.place(candidate.module.compute_loss),
            advice="match predictions and objects anew for each image, and index both with the same match",
        )
    return None
