"""A network can learn one small batch by heart.

Source: Karpathy, "A recipe for training neural networks" (2019), "overfit one batch".
"""

from __future__ import annotations

import math

from probes.by_heart import learn
from probes.candidate import Candidate, listed
from probes.checks.base import Outcome, check, failed, passed
from torch.utils.data import DataLoader


@check(family="learning", cost="dear", needs=("forward", "loss", "splits"))
def overfit_batch(candidate: Candidate) -> Outcome | None:
    """Take a hundred steps of Adam on eight rows."""
    batch = listed(next(iter(DataLoader(candidate.splits["train"], batch_size=8))))
    losses, finding = learn(candidate, candidate.build(), batch, steps=100, enough=0.3)
    if finding is not None:
        return finding
    told = f"the loss of one batch goes from {losses[0]:.3g} to {losses[-1]:.3g} in {len(losses)} steps"
    if not math.isfinite(losses[-1]) or (losses[0] > 0 and min(losses[-5:]) > 0.8 * losses[0]):
        return failed(told, where=candidate.forward_place, advice="find what keeps the output from its target")
    return passed(told)
