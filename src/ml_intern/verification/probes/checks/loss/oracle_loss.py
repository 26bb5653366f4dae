"""A perfect prediction has a small loss, and a wrong one a larger.

Source: metamorphic testing of losses with known minima; this project's notes on seeded bugs.
"""

from __future__ import annotations

import math

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, passed
from probes.oracle import ideal

_SHARPNESS = (1.0, 3.0, 10.0, 30.0)
"""Smoothed labels have their minimum at a finite logit."""
_SHARE = 0.4
"""Of ln C, or of the loss of a wrong prediction, that a perfect one may cost; smoothing by 0.2 costs 0.36."""


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def oracle_loss(candidate: Candidate) -> Outcome | None:
    """Ask the loss about ideal and about wrong outputs."""
    batch = candidate.batch(6)
    where = candidate.place(candidate.module.compute_loss)
    good = min(candidate.loss(ideal(candidate, batch, sharp=s), batch).item() for s in _SHARPNESS)
    bad = candidate.loss(ideal(candidate, batch, sharp=10.0, wrong=True), batch).item()
    chance = math.log(candidate.contract.classes or 2) if candidate.contract.oracle not in _VALUES else bad
    told = f"the loss of a perfect prediction is {good:.3g}, of a wrong one {bad:.3g}"
    if not (good <= _SHARE * chance and good < bad):
        return failed(
            told,
            where=where,
            advice="check which target the output is compared with (shifted, inverted, the input itself), the axes "
            "that view or reshape flattens, and that no softmax or sigmoid is applied twice",
        )
    return passed(told)


_VALUES = ("regression", "reconstruction")
