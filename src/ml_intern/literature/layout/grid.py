"""Lay the words of a table out in rows and columns."""

from __future__ import annotations

import math
import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TypeAlias

from ml_intern.literature.layout.lines import scripted
from ml_intern.literature.layout.page import Rule, Word

Grid: TypeAlias = tuple[tuple[str, ...], ...]
Cell: TypeAlias = list[Word]
_NUMBER = re.compile(r"[±+\-\u2212]?\d+(?:[.,]\d+)*%?")
"""Two of these beside each other are two cells, even where a table is set so tight that no wide gap parts them."""


@dataclass(slots=True)
class _Row:
    base: float
    words: list[Word] = field(default_factory=list[Word])
    cells: list[Cell] = field(default_factory=list[Cell])


def grid_of(words: Sequence[Word], rules: Sequence[float], verticals: Sequence[Rule], bars: Sequence[Rule]) -> Grid:
    """Give rows of cells as text; `rules` are the heights of the horizontal ones. Empty cells stay in their place.

    Rows above the second rule are the head; more than one of them become one. What stands there over one of the `bars`,
    which are short rules, is repeated for each column below it.
    """
    size = Counter(round(word.size, 1) for word in words).most_common(1)[0][0]
    rows = _rows(words, size)
    for row in rows:
        row.cells = _cells(row, size, verticals)
    heads = [n for n, row in enumerate(rows) if len(rules) > 2 and row.base < rules[1]]
    cuts = _cuts(rows, frozenset(heads), size)
    table = [_placed(row, cuts, size) for row in rows]
    centres = _centres(rows[len(heads) :], cuts)
    table = [_spread(rows[n], row, bars, centres, size) if n in heads else row for n, row in enumerate(table)]
    used = [column for column in range(len(cuts) + 1) if any(row[column] for row in table)]
    table = [tuple(row[column] for column in used) for row in table]
    if 1 < len(heads) < len(table):
        head = tuple(" ".join(filter(None, column)) for column in zip(*(table[n] for n in heads), strict=True))
        table = [head, *table[len(heads) :]]
    return tuple(row for row in table if any(row))


def _rows(words: Sequence[Word], size: float) -> list[_Row]:
    """Group by baseline; raised and lowered small words join the row they touch."""
    rows: list[_Row] = []
    for word in sorted((w for w in words if w.size > 0.86 * size), key=lambda w: w.base):
        row = next((r for r in rows[-3:] if abs(r.base - word.base) < 0.42 * size), None)
        if row is None:
            row = _Row(word.base)
            rows.append(row)
        row.words.append(word)
    for word in (w for w in words if w.size <= 0.86 * size):
        row = min(rows, key=lambda r: _distance(r, word), default=None)
        if row is None or abs(row.base - word.base) >= size:
            row = _Row(word.base)
            rows.append(row)
        row.words.append(word)
    return sorted(rows, key=lambda row: row.base)


def _distance(row: _Row, word: Word) -> float:
    touches = any(abs(word.x0 - other.x1) < 2.5 or abs(other.x0 - word.x1) < 2.5 for other in row.words)
    return abs(row.base - word.base) + (0 if touches else 6)


def _cells(row: _Row, size: float, verticals: Sequence[Rule]) -> list[Cell]:
    cells: list[Cell] = []
    for word in sorted(row.words, key=lambda word: word.x0):
        if cells and not _is_apart(cells[-1][-1], word, row.base, size, verticals):
            cells[-1].append(word)
        else:
            cells.append([word])
    return cells


def _is_apart(last: Word, word: Word, base: float, size: float, verticals: Sequence[Rule]) -> bool:
    gap = word.x0 - last.x1
    if gap > 0.62 * size or (gap > 0.28 * size and _NUMBER.fullmatch(last.text) and _NUMBER.fullmatch(word.text)):
        return True
    return any(last.x1 - 1 < v.at < word.x0 + 1 and v.start - 2 < base < v.end + 2 for v in verticals)


def _cuts(rows: Sequence[_Row], heads: frozenset[int], size: float) -> list[float]:
    """Give the places between columns: gaps that no cell reaches into, those that span columns left out."""
    # a cell alone in its row is a title between rows, printed across the columns
    full = {n for n, row in enumerate(rows) if len(row.cells) > 1}
    numbered = [(n, row) for n, row in enumerate(rows) if n in full or len(full) < 2]
    cells = [(cell[0].x0, cell[-1].x1, n) for n, row in numbered for cell in row.cells]
    single = [cell for cell in cells if not _spans(cell, rows)]
    body = [cell for cell in single if cell[2] not in heads]
    chosen = body if len(body) >= 0.4 * len(cells) else single
    return sorted(_gaps(chosen, size))


def _spans(cell: tuple[float, float, int], rows: Sequence[_Row]) -> bool:
    """Whether a cell stands over two cells of another row."""
    left, right, place = cell
    return any(
        sum(min(right, c[-1].x1) - max(left, c[0].x0) > min(2.0, 0.5 * (c[-1].x1 - c[0].x0)) for c in row.cells) >= 2
        for number, row in enumerate(rows)
        if number != place
    )


def _gaps(cells: Sequence[tuple[float, float, int]], size: float) -> Iterator[float]:
    reach: float | None = None
    for left, right, _ in sorted(cells):
        if reach is not None and left - reach > 0.12 * size:
            yield (reach + left) / 2
        reach = right if reach is None else max(reach, right)


def _placed(row: _Row, cuts: Sequence[float], size: float) -> tuple[str, ...]:
    columns: list[Cell] = [[] for _ in range(len(cuts) + 1)]
    for cell in row.cells:
        places = [bisect(cuts, (word.x0 + word.x1) / 2) for word in cell]
        if _can_part(cell, places, cuts, size):
            for word, place in zip(cell, places, strict=True):
                columns[place].append(word)
        else:
            columns[places[0]] += cell
    return tuple(_text(cell, row.base, size) for cell in columns)


def _centres(rows: Sequence[_Row], cuts: Sequence[float]) -> list[float]:
    """Give the middle of what stands in each column, infinity where nothing does."""
    middles: list[list[float]] = [[] for _ in range(len(cuts) + 1)]
    for row in rows:
        for cell in row.cells:
            middle = (cell[0].x0 + cell[-1].x1) / 2
            middles[bisect(cuts, middle)].append(middle)
    return [fmean(column) if column else math.inf for column in middles]


def _spread(
    row: _Row, placed: Sequence[str], bars: Sequence[Rule], centres: Sequence[float], size: float
) -> tuple[str, ...]:
    """Repeat each cell of a row of the head for all columns that the bar under it covers."""
    columns = list(placed)
    for cell in row.cells:
        middle, text = (cell[0].x0 + cell[-1].x1) / 2, _text(cell, row.base, size)
        under = [bar for bar in bars if bar.start - 2 < middle < bar.end + 2 and 0 < bar.at - row.base < 1.2 * size]
        covered = [n for n, centre in enumerate(centres) if any(bar.start - 2 < centre < bar.end + 2 for bar in under)]
        if len(covered) > 1:
            columns = [text if n in covered else "" if old == text else old for n, old in enumerate(columns)]
    return tuple(columns)


def _can_part(cell: Cell, places: Sequence[int], cuts: Sequence[float], size: float) -> bool:
    """Whether a cell over several columns is several cells: no word crosses a cut, and they stand apart there."""
    if any(word.x0 + 1 < cut < word.x1 - 1 for word in cell for cut in cuts):
        return False
    neighbours = zip(cell, cell[1:], places, places[1:], strict=False)
    return all(
        here == there or right.x0 - left.x1 > (0.2 if _NUMBER.fullmatch(right.text) else 0.42) * size
        for left, right, here, there in neighbours
    )


def _text(cell: Cell, base: float, size: float) -> str:
    text = scripted(sorted(cell, key=lambda word: word.x0), base, size) if cell else ""
    return text.replace("|", r"\|")
