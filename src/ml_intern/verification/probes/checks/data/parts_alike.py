"""Every part of the data is in the same units: what is done to the training rows is done to the others.

Source: Breck et al., "Data validation for machine learning" (2019), training-serving skew.
"""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.units import differ, told


@check(family="data", cost="cheap", needs=("splits",))
def parts_alike(candidate: Candidate) -> Outcome | None:
    """Compare mean and spread of each tensor of numbers over the parts."""
    if "train" not in candidate.splits:
        return not_applicable("no part is called train")
    train = candidate.rows("train")
    for part in candidate.splits:
        for place, (one, other) in enumerate(zip(train, candidate.rows(part), strict=False)):
            if one.is_floating_point() and differ(one, other):
                return failed(
                    f"tensor {place + 1} of a row is in other units in the {part} part ({told(other)}) than in the "
                    f"training part ({told(one)})",
                    where=candidate.place(candidate.module.make_splits),
                    advice="apply the mean and deviation of the training part to every part",
                )
    return None
