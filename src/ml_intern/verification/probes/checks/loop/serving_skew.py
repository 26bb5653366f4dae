"""Evaluation gives the network inputs in the units that training gave it.

Source: Zinkevich, "Rules of machine learning" (Google), rules 29 to 37 on training-serving skew.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.recording import notes_of
from probes.units import differ, told

_SAMPLED = ("denoising", "density")
"""Tasks whose evaluation may feed an untrained network its own answers."""


@check(family="loop", cost="dear", needs=("forward", "loss", "run"))
def serving_skew(candidate: Candidate) -> Outcome | None:
    """Compare what the loop gave the network with what the evaluation gave it."""
    if candidate.contract.task in _SAMPLED:
        return not_applicable("evaluation may sample from an untrained network")
    notes = notes_of(candidate)
    for place, spec in enumerate(candidate.contract.inputs):
        trained, served = (notes.fed.get((serving, place), []) for serving in (False, True))
        if not trained or not served:
            continue
        one, other = torch.cat(trained), torch.cat(served)
        if differ(one, other):
            return failed(
                f"evaluation gives the network input {spec.name!r} in other units ({told(other)}) than training "
                f"({told(one)})",
                where=candidate.place(candidate.module.evaluate),
                advice="prepare the rows once, in one function, for training and evaluation",
            )
    return None
