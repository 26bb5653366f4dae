"""Find the columns that a split must respect: which rows belong together, and which came first."""

from __future__ import annotations

import math
import re
from collections import Counter

import pandas as pd
from channel import RefusedError
from columns import kind
from datasets import Dataset

_GROUPS = re.compile(
    r"(subject|patient|participant|speaker|user|customer|client|person|author|writer|reader|session|household|family|"
    r"device|scene|video|clip|document|doc|group)s?[ _-]?(id|no|nr|number|name|index|key)?"
)
_TIMES = re.compile(r"(date|time|datetime|timestamp|day|month|created[ _-]?at|date[ _-]?time)")
_FEWEST_FOUND = 10
"""Groups that a column must have to be taken without being named."""
_FEWEST_NAMED = 3


def group_column(pool: Dataset, named: str, target: str) -> str:
    """Give the column whose equal values belong into one part: the named one, or one found by its name.

    Raises:
        RefusedError: the named column does not exist or has too few values.
    """
    if named:
        _require(pool, named, target)
        if _distinct(pool, named) < _FEWEST_NAMED:
            raise RefusedError(f"column {named!r} has fewer than {_FEWEST_NAMED} groups; three parts need one each")
        return named
    candidates = [name for name in pool.column_names if name != target and _GROUPS.fullmatch(name.lower())]
    usable = [name for name in candidates if kind(pool.features[name]) in {"text", "integer", "label"}]
    return next((name for name in usable if _FEWEST_FOUND <= _distinct(pool, name) <= 0.7 * len(pool)), "")


def _require(pool: Dataset, name: str, target: str) -> None:
    if name not in pool.column_names or name == target:
        known = ", ".join(repr(column) for column in pool.column_names[:40] if column != target)
        raise RefusedError(f"{name!r} cannot group or order the rows; columns that could: {known}")


def _distinct(pool: Dataset, name: str) -> int:
    return len(pool.data.column(name).unique())


def time_columns(pool: Dataset, target: str) -> list[str]:
    """Give columns that look like times by their name or type; nothing is done with them unless they are named."""
    stamps = {name for name, feature in pool.features.items() if str(feature.dtype).startswith(("timestamp", "date"))}
    return [name for name in pool.column_names if name != target and (name in stamps or _TIMES.fullmatch(name.lower()))]


def groups_of(pool: Dataset, column: str) -> list[str]:
    """Give each row's group; a row without one is its own."""
    values = pool.data.column(column).to_pylist()
    return [f"row {n}" if value is None else f"= {value}" for n, value in enumerate(values)]


def moments_of(pool: Dataset, column: str, target: str) -> list[float]:
    """Give each row's time as a number that grows with it; NaN where it has none.

    Raises:
        RefusedError: the column does not exist, or hardly any value is a number or a date.
    """
    _require(pool, column, target)
    values = pool.data.column(column).to_pylist()
    if kind(pool.features[column]) in {"integer", "number"}:
        return [math.nan if value is None else float(value) for value in values]
    stamps = pd.to_datetime(pd.Series([None if v is None else str(v) for v in values]), errors="coerce", utc=True)
    moments = [math.nan if pd.isna(stamp) else stamp.timestamp() for stamp in stamps]
    if sum(map(math.isnan, moments)) > len(moments) / 10:
        common = Counter(map(str, values)).most_common(1)[0][0][:40]
        raise RefusedError(f"column {column!r} holds no times that can be ordered; its most frequent value: {common!r}")
    return moments
