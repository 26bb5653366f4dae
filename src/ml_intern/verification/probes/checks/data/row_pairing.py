"""Whatever column of a raw row is changed, the same row of the data shows it: what belongs together stays together.

Columns that are shifted against each other by the same number of rows, as a forecast is against its past, are right.

Source: metamorphic testing; Kapoor and Narayanan (2023), on mistakes in building the data.
"""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.raw_rows import Row, homes, raw_rows, split

_ROWS = 8


@check(family="data", cost="moderate", needs=("raw",))
def row_pairing(candidate: Candidate) -> Outcome | None:
    """Follow each column of some raw rows."""
    raw = raw_rows(candidate)
    if len(raw) < 2:
        return not_applicable("the raw data are one column")
    before = split(candidate, raw)
    apart: dict[tuple[int, int], set[tuple[str, str, int]]] = {}
    for place in range(0, len(raw[0]), max(1, len(raw[0]) // _ROWS)):
        found = {j: next(iter(rows)) for j in range(len(raw)) if (rows := homes(candidate, raw, before, j, place) or {})
                 and len(rows) == 1}  # fmt: skip
        for one, other in zip(found, list(found)[1:], strict=False):
            apart.setdefault((one, other), set()).add(_distance(found[one], found[other]))
    for (one, other), distances in apart.items():
        if len(distances) > 1:
            return failed(
                f"columns {one} and {other} of the raw rows come out in different rows: what belongs together is apart",
                where=candidate.place(candidate.module.make_splits),
                advice="index every column with one and the same permutation",
            )
    return None


def _distance(one: Row, other: Row) -> tuple[str, str, int]:
    return ("", "", other[1] - one[1]) if one[0] == other[0] else (one[0], other[0], other[1] - one[1])
