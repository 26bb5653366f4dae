"""Rows of one group, such as a patient or a document, lie in one part of the data.

A raw column of integers that repeat and that no row of the data shows is taken for the number of a group.

Source: Kapoor and Narayanan (2023), non-independence between train and test samples.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, check, failed
from probes.raw_rows import Parts, homes, parts_of, raw_rows, split

_GROUPS, _MEMBERS, _ASKED = 12, 3, 6
_FEWEST = 10
"""A column of fewer values is rather a property of the rows than a group."""


@check(family="data", cost="moderate", needs=("raw",))
def groups(candidate: Candidate) -> Outcome | None:
    """Find columns that change nothing, and the parts in which their equal rows lie."""
    raw = raw_rows(candidate)
    before = split(candidate, raw)
    shown = next((j for j, column in enumerate(raw) if column.is_floating_point()), None)
    own = parts_of(raw, before) if shown is None else []
    for number, column in enumerate(raw):
        if not _repeats(column) or not _changes_nothing(candidate, raw, before, number):
            continue
        values = column.unique()[:_GROUPS]
        if shown is None:  # rows of integers, which cannot be marked by a little noise
            cut = sum(len({own[int(n)] for n in (column == value).nonzero().flatten()} - {""}) > 1 for value in values)
        else:
            cut = sum(_is_cut(candidate, raw, before, shown, column == value) for value in values)
        if cut:
            return failed(
                f"column {number} of the raw rows names groups that the splits ignore: {cut} of {len(values)} groups "
                "have rows in several parts",
                where=candidate.place(candidate.module.make_splits),
                advice="split the numbers of the groups, and take all rows of a group to its part",
            )
    return None


def _repeats(column: torch.Tensor) -> bool:
    if column.ndim != 1 or column.is_floating_point() or column.dtype == torch.bool:
        return False
    return _FEWEST <= len(column.unique()) <= len(column) // 2


def _changes_nothing(candidate: Candidate, raw: Tensors, before: Parts, number: int) -> bool:
    places = range(0, len(raw[0]), max(1, len(raw[0]) // _ASKED))
    return all(homes(candidate, raw, before, number, place) == set() for place in places)


def _is_cut(candidate: Candidate, raw: Tensors, before: Parts, shown: int, members: torch.Tensor) -> bool:
    found = [homes(candidate, raw, before, shown, int(n)) or set() for n in members.nonzero().flatten()[:_MEMBERS]]
    return len({part for rows in found if len(rows) == 1 for part, _ in rows}) > 1
