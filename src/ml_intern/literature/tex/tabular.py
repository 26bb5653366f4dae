"""Read a tabular as rows of cells: spans keep their places as empty cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ml_intern.literature.tables import barred
from ml_intern.literature.tex.nodes import Node
from ml_intern.literature.tex.vocabulary import TABULARS
from ml_intern.literature.tex.words import Cursor, Words, plain, skip_arguments

MAX_SPAN = 200
_ENDS_ROW = frozenset({"\\", "tabularnewline", "cr"})


def rows_of(node: Node, words: Words) -> tuple[tuple[str, ...], ...]:
    """Give the rows of an environment of `TABULARS`; columns and rows without any text are left out."""
    cursor = Cursor(node.children)
    skip_arguments(node, cursor)
    rows = [[cell for part in row for cell in _cells(part, words)] for row in _split(list(cursor))]
    width = max(map(len, rows), default=0)
    full = [row + [""] * (width - len(row)) for row in rows]
    used = [column for column in range(width) if any(row[column] for row in full)]
    return tuple(tuple(row[column] for column in used) for row in full if any(row))


def _split(nodes: Sequence[Node]) -> Iterator[list[list[Node]]]:
    """Part the nodes of a table into rows of cells; captions and labels of a `longtable` are no cells."""
    cursor = Cursor(nodes)
    row: list[list[Node]] = [[]]
    for node in cursor:
        if node.kind == "align":
            row.append([])
        elif node.kind == "command" and node.name in _ENDS_ROW:
            yield row
            row = [[]]
            cursor.star()
            cursor.optional()
        elif node.kind == "command" and node.name in {"caption", "label"}:
            cursor.optional()
            cursor.argument()
        elif node.kind == "command" and node.name in {"cmidrule", "hline", "midrule", "toprule", "bottomrule"}:
            _rule(node.name, cursor)
        else:
            row[-1].append(node)
    yield row


def _rule(name: str, cursor: Cursor) -> None:
    r"""Leave out a rule with what it takes: `\cmidrule(lr){2-3}`, `\midrule[1pt]`."""
    cursor.optional()
    if name != "cmidrule":
        return
    if cursor.place < len(cursor.nodes) and cursor.nodes[cursor.place].text.startswith("("):
        cursor.place += 1
    cursor.argument()


def _cells(nodes: Sequence[Node], words: Words) -> list[str]:
    """Give the text of a cell, and an empty one for each further column that it spans."""
    span = 1
    for place, node in enumerate(nodes):
        if node.kind == "command" and node.name == "multicolumn":
            cursor = Cursor(nodes, place + 1)
            count = plain(cursor.argument())
            span = min(int(count), MAX_SPAN) if count.isdecimal() and int(count) else 1
            break
    text = " ".join(filter(None, (barred(part) for part in _texts(nodes, words))))
    return [text, *[""] * (span - 1)]


def _texts(nodes: Sequence[Node], words: Words) -> Iterator[str]:
    """Give the texts in a cell; a table in it, which breaks its lines, is one text."""
    run: list[Node] = []
    for node in nodes:
        if node.kind == "environment" and node.name in TABULARS:
            yield words.text(run)
            run = []
            yield " ".join(cell for row in rows_of(node, words) for cell in row if cell)
        else:
            run.append(node)
    yield words.text(run)
