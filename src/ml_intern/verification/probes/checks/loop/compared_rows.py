"""An evaluation compares each prediction with its own answer: (rows, 1) less (rows,) is every one less every other.

Source: the warning of PyTorch's `mse_loss`: "this will likely lead to incorrect results due to broadcasting"; plain
arithmetic does not warn.
"""

from __future__ import annotations

import re

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from probes.recording import notes_of

_MEANT = re.compile(r"None|unsqueeze|newaxis|pair", re.IGNORECASE)


@check(family="loop", cost="dear", needs=("forward", "loss", "run"))
def compared_rows(candidate: Candidate) -> Outcome | None:
    """Listen to the shapes that are subtracted in `evaluate`; who writes an axis out means all pairs."""
    rows = candidate.text.splitlines()
    lines = [number for number in notes_of(candidate).spread if not _MEANT.search(rows[number - 1])]
    if not lines:
        return None
    return failed(
        "evaluate subtracts a row of numbers from a column of as many: all pairs are compared, not each with its own",
        where=candidate.line(lines[0]),
        advice="give both the same shape: squeeze(1) the output, or unsqueeze(1) the target",
    )
