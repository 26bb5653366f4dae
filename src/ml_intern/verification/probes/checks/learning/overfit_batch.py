"""A network can learn one small batch by heart.

Source: Karpathy, "A recipe for training neural networks" (2019), "overfit one batch".
"""

from __future__ import annotations

import math

import torch
from probes.candidate import Candidate, listed
from probes.checks.base import Outcome, check, failed, passed
from probes.losses import is_never_negative
from torch.utils.data import DataLoader

_STEPS = 100


@check(family="learning", cost="dear", needs=("forward", "loss", "splits"))
def overfit_batch(candidate: Candidate) -> Outcome | None:
    """Take a hundred steps of Adam on eight rows."""
    batch = listed(next(iter(DataLoader(candidate.splits["train"], batch_size=8))))
    network = candidate.build().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.0)
    losses = []
    for _ in range(_STEPS):
        loss = candidate.loss(network(*candidate.model_inputs(batch)), batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if losses[-1] < -1e-4 and is_never_negative(loss):
            return failed(
                f"the cross entropy or CTC loss of one batch goes to {losses[-1]:.3g}, and none can be negative",
                where=candidate.place(candidate.module.compute_loss),
                advice="give it log-probabilities, labels of its range, and the index of the blank that no label has",
            )
        if len(losses) > 20 and losses[-1] < 0.3 * losses[0]:
            break
    told = f"the loss of one batch goes from {losses[0]:.3g} to {losses[-1]:.3g} in {len(losses)} steps"
    if not math.isfinite(losses[-1]) or (losses[0] > 0 and min(losses[-5:]) > 0.8 * losses[0]):
        return failed(told, where=candidate.forward_place, advice="find what keeps the output from its target")
    return passed(told)
