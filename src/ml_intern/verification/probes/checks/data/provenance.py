"""Changing one raw row changes that row of one part and nothing else: its label stays with it, no statistic leaks.

One raw row is changed at a time. It must come out as one row; a change of its label must come out at the same place
and leave all inputs; a row outside of the training part must leave the training part.

Source: Kapoor and Narayanan (2023), leakage by pre-processing on all rows.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, check, failed
from probes.raw_rows import BIG, Parts, changed, raw_rows, split

_ROWS = 12
_SLIGHT = 1e-5
"""Share of the largest change: what a statistic over all rows moves the others by."""


@check(family="data", cost="moderate", needs=("raw",))
def provenance(candidate: Candidate) -> Outcome | None:
    """Follow a dozen raw rows through the splits."""
    raw = raw_rows(candidate)
    before = split(candidate, raw)
    places = range(0, len(raw[0]), max(1, len(raw[0]) // _ROWS))
    for place in places:
        found = _one(candidate, raw, before, place)
        if found is not None:
            return found
    return None


def _one(candidate: Candidate, raw: Tensors, before: Parts, place: int) -> Outcome | None:
    where = candidate.place(candidate.module.make_splits)
    home: tuple[str, int] | None = None
    if raw[0].is_floating_point():
        moved = [tensor.clone() for tensor in raw]
        noise = torch.randn(moved[0][place].shape, generator=torch.Generator().manual_seed(place))
        moved[0][place] += 0.5 * moved[0].std() * noise
        after = split(candidate, moved)
        rows = changed(before, after, 0, BIG)
        homes = {part for part, _ in rows}
        slight = changed(before, after, 0, _SLIGHT)
        train = len(before["train"][0]) if "train" in before else 0
        leaks = sum(part == "train" for part, _ in slight)
        if homes and "train" not in homes and leaks > train / 2:
            return failed(
                f"changing raw row {place}, which is in {', '.join(sorted(homes))}, changes all of the training part",
                where=where,
                advice="split first; fit means, deviations and vocabularies on the training part only",
            )
        home = rows[0] if len(rows) == 1 else None
    return _label(candidate, raw, before, place, home, where) if len(raw) > 1 else None


def _label(
    candidate: Candidate, raw: Tensors, before: Parts, place: int, home: tuple[str, int] | None, where: str
) -> Outcome | None:
    """Change the label alone. Only for classes: other targets may be made from the inputs."""
    if candidate.contract.task != "classification" or raw[-1].is_floating_point() or raw[-1].ndim != 1:
        return None
    moved = [tensor.clone() for tensor in raw]
    moved[-1][place] = (moved[-1][place] + 1) % (int(raw[-1].max()) + 1)
    after = split(candidate, moved)
    labels = changed(before, after, -1, 0)
    if home is not None and len(labels) == 1 and labels[0] != home:
        return failed(
            f"raw row {place} comes out as row {home[1]} of {home[0]}, its label as that of row {labels[0][1]} of "
            f"{labels[0][0]}: inputs and labels are out of step",
            where=where,
            advice="index inputs and labels with one and the same permutation",
        )
    if len(labels) == 1 and labels[0] in changed(before, after, 0, 0):
        return failed(
            f"changing the label of raw row {place} changes its input",
            where=where,
            advice="the label is written into the input: take it out of the features",
        )
    return None
