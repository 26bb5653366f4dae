"""A schedule is as long as the training: counted in the unit in which it is stepped.

A cosine that was made for epochs and steps once a batch rises again when it is over; one that was made for steps and
steps once an epoch hardly begins.

Source: PyTorch documentation of CosineAnnealingLR: the rate is periodic beyond `T_max`; of OneCycleLR: `total_steps`.
"""

from __future__ import annotations

import re

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.recording import STEPS, notes_of

_MEANT = re.compile(r"restart|cycl|period", re.IGNORECASE)
_OVER = 1.3
_BEGUN = 1 / 3


@check(family="loop", cost="dear", needs=("forward", "loss", "run"))
def schedule_length(candidate: Candidate) -> Outcome | None:
    """Compare how often a schedule was stepped with its length, where that comes from the number of steps."""
    schedules = notes_of(candidate).schedules
    if not schedules:
        return not_applicable("no schedule of a known length")
    where = candidate.place(candidate.module.train)
    for name, length, stepped in schedules:
        if name == "CosineAnnealingLR" and stepped > _OVER * length and not _MEANT.search(candidate.text):
            return failed(
                f"{name} is over after {length} steps and was stepped {stepped} times: the rate rises again",
                where=where,
                advice="step it once an epoch, or count T_max in batches",
            )
        if abs(length - STEPS) <= 1 and stepped <= _BEGUN * length:
            return failed(
                f"{name} is made for the {length} steps of the training and was stepped {stepped} times",
                where=where,
                advice="step it after each batch, or count its length in epochs",
            )
    return passed("; ".join(f"{name}: {stepped} of {length}" for name, length, stepped in schedules))
