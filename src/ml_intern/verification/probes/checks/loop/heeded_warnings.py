"""What the libraries warn of while the program runs, where it means that something else is computed than is written.

Source: the warnings of PyTorch's schedulers, losses, softmax and autograd, and of scikit-learn's metrics. Those that a
network gives rise to which has only begun to learn, such as a class that is never predicted, are left out.
"""

from __future__ import annotations

import re

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from probes.recording import notes_of

_WRONG = {
    r"lr_scheduler\.step\(\)` before `optimizer\.step": "step the optimizer first, then the schedule",
    r"Implicit dimension choice": "say along which axis, dim=-1 for the last",
    r"target size .* different to the input size": "give both the same shape",
    r"degrees of freedom is <= 0": "a deviation needs two numbers at least; correction=0 for one",
    r"\.grad attribute of a Tensor that is not a leaf": "ask a parameter, or call retain_grad() before",
    r"None of the inputs have requires_grad": "checkpoint with use_reentrant=False",
    r"No (positive|negative) samples|Only one class is present": "measure over all rows at once, not by batch",
    r"use of `x\.T` on tensors of dimension other than 2": "transpose two axes: x.mT, or x.transpose(1, 2)",
}
"""Warnings, and what to do about each."""


@check(family="loop", cost="dear", needs=("forward", "loss", "run"))
def heeded_warnings(candidate: Candidate) -> Outcome | None:
    """Listen while the program's own loop runs."""
    for text, line in notes_of(candidate).warned:
        for pattern, advice in _WRONG.items():
            if re.search(pattern, text):
                return failed(" ".join(text.split())[:160], where=candidate.line(line), advice=advice)
    return None
