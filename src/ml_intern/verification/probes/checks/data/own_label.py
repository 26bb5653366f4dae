"""A row's own label does not change its features: rates by category are taken from other rows.

Source: Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes" (2001); scikit-learn
documentation of `TargetEncoder`, whose `fit_transform` fits crosswise for this reason.
"""

from __future__ import annotations

from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.raw_rows import raw_rows, split

_ROWS, _TRIED = 4, 16
"""Training rows that are looked at, and raw rows that are tried for them."""
_MORE = 5.0
"""Times the move of the usual row, which scaling by all rows makes."""
_LEAST = 1e-6


@check(family="data", cost="moderate", needs=("raw",))
def own_label(candidate: Candidate) -> Outcome | None:
    """Give raw rows of the training part another label, one at a time, and see whether their features move."""
    if candidate.contract.task not in {"classification", "binary"}:
        return not_applicable("only where a row has one class")
    raw = raw_rows(candidate)
    before = split(candidate, raw)["train"]
    labels = _labels(raw, before)
    if labels is None:
        return not_applicable("no raw column is the label of the rows")
    seen = []
    for place in range(0, len(raw[0]), max(1, len(raw[0]) // _TRIED)):
        others = (raw[labels] != raw[labels][place]).nonzero().flatten()
        changed = [column.clone() for column in raw]
        changed[labels][place] = raw[labels][others[0]] if len(others) else raw[labels][place]
        row = _only_other(before, after := split(candidate, changed)["train"])
        if row is not None:
            seen.append(_moves(before, after, row))
        if len(seen) == _ROWS:
            break
    if not seen or not all(seen):
        return None
    return failed(
        f"another label of a training row changes its own features, in each of {len(seen)} rows",
        where=candidate.place(candidate.module.make_splits),
        advice="take rates by category from other folds, or leave the row itself out",
    )


def _labels(raw: Tensors, rows: Tensors) -> int | None:
    """Give the only raw column of single values that the last tensor of the rows is made of."""
    values = set(rows[-1].flatten().tolist()) if rows[-1].ndim == 1 else set()
    found = [
        number
        for number, column in enumerate(raw)
        if values and column.shape == (len(raw[0]),) and column.dtype == rows[-1].dtype
        if set(column.tolist()) == values
    ]
    return found[0] if len(found) == 1 and len(rows) > 1 else None


def _only_other(before: Tensors, after: Tensors) -> int | None:
    """Give the row whose label is another one, where that is one row."""
    if any(one.shape != other.shape for one, other in zip(before, after, strict=True)):
        return None
    rows = (before[-1] != after[-1]).nonzero().flatten().tolist()
    return rows[0] if len(rows) == 1 else None


def _moves(before: Tensors, after: Tensors, row: int) -> bool:
    for one, other in zip(before[:-1], after[:-1], strict=True):
        moved = (one.double() - other.double()).abs().reshape(len(one), -1).amax(1)
        if float(moved[row]) > max(_LEAST, _MORE * float(moved.median())):
            return True
    return False
