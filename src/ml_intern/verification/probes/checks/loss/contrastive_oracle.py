"""Pairs that match perfectly have a smaller loss than pairs that are exchanged."""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def contrastive_oracle(candidate: Candidate) -> Outcome | None:
    """Give the loss matching and exchanged pairs of orthogonal directions."""
    candidate.task_in("contrastive")
    batch = candidate.batch(4)
    output = candidate.build().eval()(*candidate.model_inputs(batch))
    sides = list(output) if isinstance(output, tuple | list) else [output]
    embeddings = [o for o in sides if o.ndim == 2 and len(o) == 4]
    rest = [o.detach() for o in sides[len(embeddings) :]]
    if len(embeddings) == 2 and embeddings[0].shape == embeddings[1].shape and embeddings[0].shape[1] >= 4:
        one = torch.eye(4, embeddings[0].shape[1])
        good, bad = (one, one, *rest), (one, one.roll(1, 0), *rest)
    elif len(sides) == 1 and tuple(sides[0].shape) == (4, 4):
        good, bad = 10 * torch.eye(4), 10 * torch.eye(4).roll(1, 0)
    else:
        return not_applicable("the outputs are no two embeddings and no table of similarities")
    low, high = candidate.loss(good, batch).item(), candidate.loss(bad, batch).item()
    if low < high:
        return None
    return failed(
        f"the loss of matching pairs is {low:.4g}, of exchanged ones {high:.4g}",
        where=candidate.place(candidate.module.compute_loss),
        advice="the label of row i is i; check the order of the labels, the sign of the similarity and the temperature",
    )
