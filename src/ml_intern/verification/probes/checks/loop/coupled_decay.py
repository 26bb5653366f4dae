"""A weight decay as large as AdamW takes is not added to the slope of Adam, which divides it by the slope's own size.

There it pulls the weights by a share of the learning rate whatever its number, most where the slope is small.

Source: Loshchilov and Hutter, "Decoupled weight decay regularization", arXiv 1711.05101 §2.
"""

from __future__ import annotations

import statistics

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.recording import notes_of

_LEAST = 0.01
"""The decay that AdamW has by default; decays made for Adam are 0.001 and below."""
_SHARE = 0.3
"""Of the norm of what Adam divides."""


@check(family="loop", cost="dear", needs=("forward", "loss", "run"))
def coupled_decay(candidate: Candidate) -> Outcome | None:
    """Compare decay and slope at each step."""
    notes = notes_of(candidate)
    if not notes.coupled or not any(decay for decay, _ in notes.coupled):
        return not_applicable("no decay is added to a slope that is divided")
    decay = max(decay for decay, _ in notes.coupled)
    share = statistics.median(share for _, share in notes.coupled)
    if decay < _LEAST or share < _SHARE:
        return None
    return failed(
        f"{notes.optimizer} adds a weight decay of {decay:g} to the slope before it divides it: {share:.0%} of what it "
        "steps along is decay",
        where=candidate.place(candidate.module.train),
        advice="torch.optim.AdamW with this decay, or a decay of 0.001 or less",
    )
