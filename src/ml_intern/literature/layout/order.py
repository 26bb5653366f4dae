"""Build blocks of lines, and put them into the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from ml_intern.literature.document import Box
from ml_intern.literature.layout.joining import ends_sentence
from ml_intern.literature.layout.lines import Piece
from ml_intern.literature.layout.marks import CAPTION
from ml_intern.literature.layout.ruled import Table

LOOK_BACK = 40
"""Blocks above that a line may belong to."""
FEWEST_WORDS = 4
"""Words of a line of text that a sentence fills; labels of the parts of a figure are shorter."""
INDENT = 25.0
"""How far, in 1/72 inch, the first line of a paragraph stands to the right of the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines that stand under each other like those of a paragraph."""

    box: Box
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The place of a figure, if it is known; what is written in it is no text of the paper."""

    box: Box | None


Cut: TypeAlias = Lines | Table
"""What has a place that decides the order of reading."""
Placed: TypeAlias = Lines | Table | Picture


@dataclass(slots=True)
class _Growing:
    pieces: list[Piece]
    x0: float
    x1: float

    def add(self, piece: Piece) -> None:
        self.pieces.append(piece)
        self.x0, self.x1 = min(self.x0, piece.x0), max(self.x1, piece.x1)


def blocks(pieces: Sequence[Piece], lead: float) -> list[Lines]:
    """Group lines; `lead` is the usual distance of two baselines. A caption begins a block, and is nowhere else."""
    growing: list[_Growing] = []
    for piece in sorted(pieces, key=lambda piece: (piece.base, piece.x0)):
        fitting = [block for block in growing[-LOOK_BACK:] if _continues(block, piece, lead)]
        above = max(reversed(fitting), key=lambda block: block.pieces[-1].base) if fitting else None
        if above is not None and (not CAPTION.match(piece.plain) or _is_within_sentence(above, piece, lead)):
            above.add(piece)
        else:
            growing.append(_Growing([piece], piece.x0, piece.x1))
    return [Lines(box=box_of(block.pieces), pieces=tuple(block.pieces)) for block in growing]


def box_of(pieces: Sequence[Piece]) -> Box:
    """Give the place of lines."""
    return Box(
        x0=min(p.x0 for p in pieces),
        y0=min(p.y0 for p in pieces),
        x1=max(p.x1 for p in pieces),
        y1=max(p.y1 for p in pieces),
    )


def _continues(block: _Growing, piece: Piece, lead: float) -> bool:
    last = block.pieces[-1]
    gap = piece.base - last.base
    if not 0.3 * piece.size <= gap <= max(1.62 * max(piece.size, last.size), 1.35 * lead):
        return False
    if abs(piece.size - last.size) > 1.1:
        return False
    common = min(piece.x1, block.x1) - max(piece.x0, block.x0)
    return common >= 0.5 * min(piece.width, block.x1 - block.x0)


def _is_within_sentence(block: _Growing, piece: Piece, lead: float) -> bool:
    """Whether a line that looks like a caption goes on with the sentence above: `shown in` and then `Table 6. We`."""
    last = block.pieces[-1]
    if abs(piece.size - last.size) > 0.3 or piece.base - last.base > 1.1 * lead or ends_sentence(last.text):
        return False
    is_full = len(last.words) >= FEWEST_WORDS and last.x1 >= block.x1 - 3 and last.width > 0.75 * piece.width
    is_set_alike = any(word.font == piece.words[0].font for word in last.words)
    return is_full and is_set_alike and -INDENT < piece.x0 - block.x0 < 2


def reading_order(placed: Sequence[Cut]) -> list[Cut]:
    """Cut the page at empty strips, columns before rows, again and again; source: recursive X-Y cut (Nagy 1984)."""
    if len(placed) <= 1:
        return list(placed)
    columns = _columns(placed)
    if len(columns) > 1:
        return [block for column in columns for block in reading_order(column)]
    rows = _with_columns_whole(_strips(placed, lambda block: (block.box.y0, block.box.y1), overlap=1.5))
    if len(rows) > 1:
        return [block for row in rows for block in reading_order(row)]
    return sorted(placed, key=lambda block: (block.box.y0, block.box.x0))


def _strips(placed: Sequence[Cut], extent: Callable[[Cut], tuple[float, float]], *, overlap: float) -> list[list[Cut]]:
    """Part blocks where an empty strip goes through all of them; they may reach `overlap` into it."""
    strips: list[list[Cut]] = []
    reach = 0.0
    for block in sorted(placed, key=lambda block: extent(block)[0]):
        start, end = extent(block)
        if not strips or start >= reach - overlap:
            strips.append([])
        strips[-1].append(block)
        reach = max(reach, end)
    return strips


def _with_columns_whole(rows: list[list[Cut]]) -> list[list[Cut]]:
    """Join rows below each other that together have columns, so that a column is read to its end.

    A row such as the authors' names, which would keep more rows from being joined than it is joined with, stays alone.
    """
    joined: list[list[Cut]] = []
    place = 0
    while place < len(rows):
        end = _end_of_columns(rows, place)
        if place + 1 < end < _end_of_columns(rows, place + 1):
            end = place + 1
        joined.append([block for row in rows[place:end] for block in row])
        place = end
    return joined


def _end_of_columns(rows: Sequence[Sequence[Cut]], place: int) -> int:
    """Give the first row that has no columns together with those from `place` on."""
    group = list(rows[place]) if place < len(rows) else []
    end = place + 1
    while end < len(rows) and _has_columns([*group, *rows[end]]):
        group += rows[end]
        end += 1
    return end


def _has_columns(placed: Sequence[Cut]) -> bool:
    return len(_columns(placed)) > 1


def _columns(placed: Sequence[Cut]) -> list[list[Cut]]:
    """Part blocks into columns, of which two stand beside each other: a title in the middle is none."""
    strips = _strips(placed, lambda block: (block.box.x0, block.box.x1), overlap=1.0)
    heights = [(min(b.box.y0 for b in strip), max(b.box.y1 for b in strip)) for strip in strips]
    beside = any(min(one[1], other[1]) > max(one[0], other[0]) for one, other in pairwise(heights))
    return strips if beside else [list(placed)]
