"""Windows that overlap lie in one part of the data: a test row is no training row, moved by a step or two.

Source: Kapoor and Narayanan, "Leakage and the reproducibility crisis in machine-learning-based science" (2023), on
samples that are not independent; Cerqueira et al., "Evaluating time series forecasting models", arXiv 1905.11744.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.raw_rows import BIG, changed, columns_of, split

_LENGTH = 4
"""Numbers in a row that tell one stretch of a series from another."""
_LEAST = 8
"""Steps of a series."""
_PLACES, _FEW = 24, 3
"""Numbers of one raw series that are followed into the parts, and those that may stand at a border."""
_SERIES, _ROWS = 3, 2000
"""Series of a row, and rows of a part, that are looked at, at most."""
_DISTINCT = 1000
"""Different numbers in a part, at least: pixels and notes have fewer, and stretches of them repeat by chance."""
_COMMON = 0.1
"""Share of the training rows with the same stretch from which on it says nothing, as of a grid of times."""
_SHARE = 0.5
"""Of the test rows; a split by time leaves a few at the border."""


@check(family="data", cost="moderate", needs=("splits",))
def shared_windows(candidate: Candidate) -> Outcome | None:
    """Look for stretches of each test row's series in training rows, at another place there."""
    if "train" not in candidate.splits:
        return not_applicable("no part is called train")
    if (found := _of_one_series(candidate)) is not None:
        return found
    train = _series(candidate.rows("train"))
    train = {place: series for place, series in train.items() if len(series.unique()) >= _DISTINCT}
    if not train:
        return not_applicable("no row holds a series of measured numbers")
    for part in (part for part in candidate.splits if part != "train"):
        for place, series in _series(candidate.rows(part)).items():
            if place in train and (shared := _moved(train[place], series)) > _SHARE:
                return failed(
                    f"{shared:.0%} of the rows of {part} hold {_LENGTH} numbers in a row that stand in a row of train "
                    "at another place: windows of one series lie in both",
                    where=candidate.place(candidate.module.make_splits),
                    advice="split the series, or the time, first, and cut each part into windows by itself",
                )
    return None


def _of_one_series(candidate: Candidate) -> Outcome | None:
    """Change single numbers of one long raw series, or text: each may show in the windows of one part only."""
    given = candidate.raw if candidate.has("load_raw") else ()
    raw = columns_of(given)
    if len(raw) != 1 or raw[0].ndim != 1 or (isinstance(given, tuple | list) and len(given) != 1):
        return None
    before = split(candidate, raw)
    seen = []
    for place in torch.randint(len(raw[0]), (_PLACES,), generator=torch.Generator().manual_seed(0)).tolist():
        series = raw[0].clone()
        others = (series != series[place]).nonzero().flatten()
        series[place] = series[others[place % len(others)]] if len(others) else series[place]
        after = split(candidate, [series])
        rows = {row for tensor in range(len(before["train"])) for row in changed(before, after, tensor, BIG)}
        if parts := {part for part, _ in rows}:
            seen.append(len(parts) > 1 and "train" in parts)
    if sum(seen) <= _FEW:
        return None
    return failed(
        f"{sum(seen)} of {len(seen)} numbers of the raw series stand in windows of train and of another part",
        where=candidate.place(candidate.module.make_splits),
        advice="split the series, or the text, first, and cut each part into windows by itself",
    )


def _series(tensors: list[torch.Tensor]) -> dict[tuple[int, int, int], torch.Tensor]:
    """Give (rows, steps) of the first channels of each tensor, along each axis that may be time."""
    found = {}
    for number, tensor in enumerate(tensors):
        if tensor.is_floating_point() and tensor.ndim in {2, 3}:
            rows = tensor[:_ROWS]
            for axis, way in enumerate([rows[:, None]] if rows.ndim == 2 else [rows, rows.transpose(1, 2)]):
                if way.shape[2] >= _LEAST:
                    found |= {(number, axis, place): one for place, one in enumerate(way[:, :_SERIES].unbind(1))}
    return found


def _moved(train: torch.Tensor, other: torch.Tensor) -> float:
    """Give the share of the rows of `other` that hold a stretch of a training row, at another place there."""
    rows: dict[bytes, set[int]] = {}
    places: dict[bytes, set[int]] = {}
    for row, place, stretch in _stretches(train):
        rows.setdefault(stretch, set()).add(row)
        places.setdefault(stretch, set()).add(place)
    common = _COMMON * len(train)
    found = {
        row
        for row, place, stretch in _stretches(other)
        if stretch in rows and len(rows[stretch]) <= max(1, common) and places[stretch] - {place}
    }
    return len(found) / len(other)


def _stretches(series: torch.Tensor) -> Iterator[tuple[int, int, bytes]]:
    """Give row, place and bits of each stretch that is not all one number."""
    cut = series.detach().contiguous().unfold(1, _LENGTH, 1)  # (rows, places, _LENGTH)
    varied = (cut != cut[..., :1]).any(-1).tolist()
    for row, kept in enumerate(varied):
        for place, is_kept in enumerate(kept):
            if is_kept:
                yield row, place, cut[row, place].numpy().tobytes()
