"""Decide which part each row belongs to, from the contents of the rows alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

By = Literal["rows", "group", "time"]
"""What a split keeps together: nothing but equal rows, whole groups, or the order of time."""

OFFICIAL = {
    "train": "search",
    "training": "search",
    "validation": "selection",
    "valid": "selection",
    "val": "selection",
    "dev": "selection",
    "test": "final",
    "testing": "final",
}
"""Which part an official split becomes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the assignment knows of a row.

    `inputs` digests what the network would read and `whole` the target too; `stratum` is the class, or 0 in a
    regression; `official` is the part its split fixes (`search` leaves the choice open). `group` and `moment` are
    set where the split goes by them.
    """

    inputs: bytes
    whole: bytes
    stratum: int
    official: str
    group: str = ""
    moment: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Row numbers of each part, shuffled, and those left out by the reason: what another part must not share."""

    parts: dict[str, list[int]]
    removed: dict[str, list[int]] = field(default_factory=dict)


def assign(
    rows: Sequence[Row], *, final: float, selection: float, seed: int, floor: int = 0, by: By = "rows"
) -> Assignment:
    """Split `rows` by seed and content; their order does not matter.

    Neither a row's part nor its place in it depends on its label beyond its class's share: whoever sees inputs in
    their order learns nothing.

    Args:
        rows: all usable rows.
        final: fraction that becomes the final part where no official split does.
        selection: fraction of the rest that becomes the selection part where no official split does.
        seed: changes the choice and the order.
        floor: rows that the final part gets at least, where it is not official.
        by: what is kept together.
    """
    order = sorted(range(len(rows)), key=lambda n: (_place(seed, rows[n].inputs), _place(seed, rows[n].whole), n))
    parts = {part: [n for n in order if rows[n].official == part] for part in ("search", "selection", "final")}
    take = _WAYS[by]
    if not parts["final"] and parts["search"]:
        share = max(final, floor / len(parts["search"]))
        parts["final"], parts["search"] = _cut(parts["search"], take(parts["search"], rows, share, seed))
    if not parts["selection"]:
        parts["selection"], parts["search"] = _cut(parts["search"], take(parts["search"], rows, selection, seed))
    return _separated(parts, rows, by)


def _cut(candidates: list[int], taken: set[int]) -> tuple[list[int], list[int]]:
    """Give what is taken and the rest; both keep the order."""
    return [n for n in candidates if n in taken], [n for n in candidates if n not in taken]


def _take_rows(candidates: list[int], rows: Sequence[Row], fraction: float, seed: int) -> set[int]:
    """Take `fraction` of each stratum, at least one row where it has two."""
    del seed
    strata: dict[int, list[int]] = {}
    for n in candidates:
        strata.setdefault(rows[n].stratum, []).append(n)
    taken: set[int] = set()
    for members in strata.values():
        at_least = 1 if len(members) >= 2 else 0
        taken.update(members[: max(at_least, round(len(members) * fraction))])
    return taken


def _take_groups(candidates: list[int], rows: Sequence[Row], fraction: float, seed: int) -> set[int]:
    """Take whole groups, each that brings the classes nearer to `fraction` of what there is; always one at least."""
    groups: dict[str, list[int]] = {}
    for n in candidates:
        groups.setdefault(rows[n].group, []).append(n)
    wanted = {c: count * fraction for c, count in Counter(rows[n].stratum for n in candidates).items()}
    have: Counter[int] = Counter()
    taken: set[int] = set()
    for name in sorted(groups, key=lambda name: _place(seed, name.encode("utf-8", "surrogatepass"))):
        more = have + Counter(rows[n].stratum for n in groups[name])
        if _distance(more, wanted) < _distance(have, wanted):
            have = more
            taken.update(groups[name])
    smallest = min(groups.values(), key=len, default=[])
    return taken or set(smallest)


def _distance(have: Counter[int], wanted: dict[int, float]) -> float:
    return sum(abs(have[c] - share) for c, share in wanted.items())


def _take_latest(candidates: list[int], rows: Sequence[Row], fraction: float, seed: int) -> set[int]:
    """Take the latest rows; those of one moment stay together."""
    del seed
    moments = sorted(rows[n].moment for n in candidates)
    if not moments:
        return set()
    first = moments[min(len(moments) - 1, len(moments) - round(len(moments) * fraction))]
    return {n for n in candidates if rows[n].moment >= first}


_WAYS: dict[By, Callable[[list[int], Sequence[Row], float, int], set[int]]] = {
    "rows": _take_rows,
    "group": _take_groups,
    "time": _take_latest,
}


def _separated(parts: dict[str, list[int]], rows: Sequence[Row], by: By) -> Assignment:
    """Leave rows out of earlier parts that share with a later one what they must not."""
    removed: dict[str, list[int]] = {}
    kept = {"search": parts["search"], "selection": parts["selection"], "final": parts["final"]}
    for later, earlier in (("final", ("search", "selection")), ("selection", ("search",))):
        for reason, is_shared in _shared(rows, kept[later], by):
            for part in earlier:
                bad = [n for n in kept[part] if is_shared(rows[n])]
                removed.setdefault(f"{reason}_{later}", []).extend(bad)
                gone = set(bad)
                kept[part] = [n for n in kept[part] if n not in gone]
    return Assignment(parts=kept, removed=removed)


def _shared(rows: Sequence[Row], held: list[int], by: By) -> list[tuple[str, Callable[[Row], bool]]]:
    """Name what a row must not share with the rows `held`."""
    inputs = {rows[n].inputs for n in held}
    found: list[tuple[str, Callable[[Row], bool]]] = [("repeats", lambda row: row.inputs in inputs)]
    if by == "group":
        groups = {rows[n].group for n in held}
        found.append(("group_of", lambda row: row.group in groups))
    if by == "time":
        first = min((rows[n].moment for n in held), default=float("inf"))
        found.append(("not_before", lambda row: row.moment >= first))
    return found


def _place(seed: int, content: bytes) -> bytes:
    return hashlib.sha256(f"{seed}:".encode() + content).digest()
