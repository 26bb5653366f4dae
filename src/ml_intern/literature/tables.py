"""Turn a LaTeXML table into Markdown: one row a line, spans kept as empty cells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ml_intern.literature.inline import inline
from ml_intern.literature.markup import Element

MAX_SPAN = 200
"""Rows or columns; a larger number in the page is no table but an attempt to fill the memory."""


def is_table(element: Element) -> bool:
    """Whether `element` is a table of data."""
    return "ltx_tabular" in element.classes


def cells(element: Element) -> tuple[tuple[str, ...], ...]:
    """Give the rows of the table; none if it has no text. Columns without any text are layout and left out."""
    rows = _grid(list(_rows(element)))
    width = max(map(len, rows), default=0)
    full = [row + [""] * (width - len(row)) for row in rows]
    used = [column for column in range(width) if any(row[column] for row in full)]
    return tuple(tuple(row[column] for column in used) for row in full if any(row))


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of equal length, the first as the head; empty for no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]) if lines else ""


def _rows(element: Element) -> Iterator[Element]:
    """Give the rows of this table, not those of tables in its cells."""
    for child in element.elements:
        if child.tag == "tr" or "ltx_tr" in child.classes:
            yield child
        elif not is_table(child):
            yield from _rows(child)


def _grid(rows: Sequence[Element]) -> list[list[str]]:
    """Lay the cells out; a spanning cell has its text in its first place and leaves the others empty."""
    grid: list[list[str]] = []
    taken: set[tuple[int, int]] = set()
    for number, row in enumerate(rows):
        cells: list[str] = []
        for cell in row.elements:
            while (number, len(cells)) in taken:
                cells.append("")
            columns, below = _span(cell, "colspan"), _span(cell, "rowspan")
            start = len(cells)
            cells += [_cell(cell)] + [""] * (columns - 1)
            taken |= {(number + down, start + right) for down in range(1, below) for right in range(columns)}
        grid.append(cells)
    return grid


def _span(cell: Element, name: str) -> int:
    text = cell.attributes.get(name, "1").strip()
    number = int(text) if re.fullmatch(r"[0-9]{1,3}", text) else 1
    return number if 1 <= number <= MAX_SPAN else 1


def _cell(cell: Element) -> str:
    return barred(inline(cell))


def barred(text: str) -> str:
    """Write the bars in a cell so that none ends it; before a bar in LaTeX a backslash would mean another sign."""
    pieces = re.split(r"(\$[^$]*\$)", text)
    return "".join(
        piece.replace(r"\|", r"\Vert ").replace("|", r"\vert ") if piece.startswith("$") else piece.replace("|", r"\|")
        for piece in pieces
    )
