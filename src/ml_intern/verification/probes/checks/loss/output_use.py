"""Every output that a reconstruction, detection or contrastive loss is given moves it, and so does every target."""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed

_TASKS = ("reconstruction", "detection", "contrastive", "density", "binary", "regression", "denoising")


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def output_use(candidate: Candidate) -> Outcome | None:
    """See whether the loss has a slope in each output that learns, and changes with the target."""
    candidate.task_in(*_TASKS)
    batch = candidate.batch(4)
    network = candidate.build().train()
    given = network(*candidate.model_inputs(batch))
    outputs = [o.detach().clone().requires_grad_() for o in (given if isinstance(given, tuple | list) else [given])]
    learns = [o.requires_grad for o in (given if isinstance(given, tuple | list) else [given])]
    loss = candidate.loss(tuple(outputs) if isinstance(given, tuple | list) else outputs[0], batch)
    where = candidate.place(candidate.module.compute_loss)
    if not loss.requires_grad:
        return failed("the loss does not depend on the output", where=where, advice="compare output and target")
    slopes = torch.autograd.grad(loss, outputs, allow_unused=True)
    for place, slope in enumerate(slopes):
        if learns[place] and (slope is None or not bool(slope.any())):
            return failed(
                f"output {place} has no influence on the loss",
                where=where,
                advice="a term is missing, is multiplied by 0, or is computed under no_grad or detach",
            )
    return None
