"""Follow raw rows through `make_splits`: what comes out differently when one of them is changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from probes.candidate import Candidate, Tensors, listed
from probes.checks.base import StopError, inconclusive, not_applicable
from torch.utils.data import DataLoader

BIG = 0.3
"""Share of the largest change: what the row itself shows, beside what a statistic over all rows moves."""
Parts = dict[str, Tensors]
Row = tuple[str, int]
"""A part and a place in it."""


def raw_rows(candidate: Candidate) -> Tensors:
    """Give the columns of the raw data.

    Raises:
        StopError: they are not by rows, or the splits are not the same when they are made again.
    """
    raw = columns_of(candidate.raw)
    if not raw or any(tensor.ndim == 0 or len(tensor) != len(raw[0]) for tensor in raw):
        raise StopError(not_applicable("load_raw does not give tensors with one row a sample"))
    if not _same(split(candidate, raw), split(candidate, raw)):
        raise StopError(inconclusive("make_splits gives other parts when it is called again"))
    return raw


def columns_of(raw: object) -> Tensors:
    """Give the tensors of the raw data; arrays of numbers are copied into tensors."""
    items = raw if isinstance(raw, tuple | list) else [raw]
    if not all(isinstance(item, np.ndarray) and item.dtype.kind in "fiub" for item in items):
        return listed(raw)
    return [torch.from_numpy(item.copy()) for item in items]


def as_given(raw: object, columns: Sequence[torch.Tensor]) -> object:
    """Give columns in the form that the raw data have: one tensor or several, or arrays."""
    is_array = isinstance(raw, np.ndarray) or (isinstance(raw, tuple | list) and isinstance(raw[0], np.ndarray))
    made = tuple(column.numpy() for column in columns) if is_array else tuple(columns)
    return made[0] if isinstance(raw, torch.Tensor | np.ndarray) else made


def split(candidate: Candidate, raw: Tensors) -> Parts:
    """Give the parts that `raw` becomes, each as one batch."""
    copies = tuple(tensor.clone() for tensor in raw)
    parts = candidate.module.make_splits(as_given(candidate.raw, copies))
    made = {}
    for name, dataset in parts.items():
        if len(dataset) == 0:
            raise StopError(inconclusive(f"the {name} part is empty"))
        made[name] = listed(next(iter(DataLoader(dataset, batch_size=len(dataset)))))
    return made


def parts_of(raw: Tensors, parts: Parts) -> list[str]:
    """Give for each raw row the only part that holds its numbers in the same columns; "" where none or several do."""
    some = next(iter(parts.values()))
    known = [set(_marks(column)) for column in raw]
    shown = [
        (j, k)
        for j, column in enumerate(raw)
        for k, tensor in enumerate(some)
        if column.dtype == tensor.dtype and column.shape[1:] == tensor.shape[1:] and set(_marks(tensor)) <= known[j]
    ]
    places: dict[tuple[bytes, ...], set[str]] = {}
    for name, tensors in parts.items():
        for key in zip(*(_marks(tensors[k]) for _, k in shown), strict=True):
            places.setdefault(key, set()).add(name)
    found = [places.get(key, set()) for key in zip(*(_marks(raw[j]) for j, _ in shown), strict=True)]
    return [next(iter(names)) if len(names) == 1 else "" for names in found] or [""] * len(raw[0])


def _marks(tensor: torch.Tensor) -> list[bytes]:
    return [row.contiguous().numpy().tobytes() for row in tensor]


def changed(before: Parts, after: Parts, tensor: int, share: float) -> list[Row]:
    """Give the rows of which output number `tensor` changed by more than `share` of the largest change.

    Raises:
        StopError: a part has another size than before.
    """
    sizes = {}
    for part, rows in before.items():
        old, new = rows[tensor], after[part][tensor]
        if old.shape != new.shape:
            raise StopError(inconclusive("the size of the parts depends on the values of the rows"))
        sizes[part] = (new.double() - old.double()).abs().reshape(len(old), -1).amax(1)
    largest = max(float(moved.max()) for moved in sizes.values())
    return [(part, int(row)) for part, moved in sizes.items() for row in (moved > share * largest).nonzero().flatten()]


def homes(candidate: Candidate, raw: Tensors, before: Parts, column: int, place: int) -> set[Row] | None:
    """Give the rows that show it when `column` of raw row `place` is changed; None where the parts change in size.

    Numbers get noise and keep their zeros, which often mark what is not there; integers the value of another row.
    """
    changed_raw = [tensor.clone() for tensor in raw]
    values = changed_raw[column]
    if values.is_floating_point():
        known = values.nan_to_num()
        noise = torch.randn(values[place].shape, generator=torch.Generator().manual_seed(place))
        values[place] = known[place] + known.std() * noise * (known[place] != 0)
    else:
        values[place] = raw[column][(place + len(values) // 2) % len(values)]
    after = split(candidate, changed_raw)
    try:
        return {row for tensor in range(len(before["train"])) for row in changed(before, after, tensor, BIG)}
    except StopError:
        return None


def _same(one: Parts, other: Parts) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(a, b) for part in one for a, b in zip(one[part], other[part], strict=True)
    )
