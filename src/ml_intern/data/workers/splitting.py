"""Decide which part each row belongs to, from the contents of the rows alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

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
    regression; `official` is the part its split fixes (`search` leaves the choice open).
    """

    inputs: bytes
    whole: bytes
    stratum: int
    official: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Row numbers of each part, shuffled, and how many rows were left out because another part has their inputs."""

    parts: dict[str, list[int]]
    repeats_final: int
    repeats_selection: int


def assign(rows: Sequence[Row], *, final: float, selection: float, seed: int) -> Assignment:
    """Split `rows` by seed and content; their order does not matter.

    Args:
        rows: all usable rows.
        final: fraction that becomes the final part where no official split does.
        selection: fraction of the rest that becomes the selection part where no official split does.
        seed: changes the choice and the order.
    """
    order = sorted(range(len(rows)), key=lambda n: (_place(seed, rows[n].whole), n))
    parts = {part: [n for n in order if rows[n].official == part] for part in ("search", "selection", "final")}
    if not parts["final"]:
        parts["final"], parts["search"] = _take(parts["search"], rows, final)
    if not parts["selection"]:
        parts["selection"], parts["search"] = _take(parts["search"], rows, selection)
    held = {rows[n].inputs for n in parts["final"]}
    selected = [n for n in parts["selection"] if rows[n].inputs not in held]
    unseen = [n for n in parts["search"] if rows[n].inputs not in held]
    chosen = {rows[n].inputs for n in selected}
    search = [n for n in unseen if rows[n].inputs not in chosen]
    return Assignment(
        parts={"search": search, "selection": selected, "final": parts["final"]},
        repeats_final=len(parts["selection"]) - len(selected) + len(parts["search"]) - len(unseen),
        repeats_selection=len(unseen) - len(search),
    )


def _take(candidates: list[int], rows: Sequence[Row], fraction: float) -> tuple[list[int], list[int]]:
    """Take `fraction` of each stratum, at least one row where it has two; both results keep the order."""
    strata: dict[int, list[int]] = {}
    for n in candidates:
        strata.setdefault(rows[n].stratum, []).append(n)
    taken: set[int] = set()
    for members in strata.values():
        at_least = 1 if len(members) >= 2 else 0
        taken.update(members[: max(at_least, round(len(members) * fraction))])
    return [n for n in candidates if n in taken], [n for n in candidates if n not in taken]


def _place(seed: int, content: bytes) -> bytes:
    return hashlib.sha256(f"{seed}:".encode() + content).digest()
