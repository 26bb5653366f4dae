"""Part a displayed formula into what is numbered: one entry a row where each row has a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ml_intern.literature.tex.nodes import Node, source
from ml_intern.literature.tex.numbers import Numbers
from ml_intern.literature.tex.vocabulary import ROWS_NUMBERED
from ml_intern.literature.tex.words import Cursor, plain, plain_formula, skip_arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Equation:
    """A formula as it is written, and its number in parentheses, if it has one."""

    formula: str
    tag: str

    @property
    def text(self) -> str:
        """As the document model writes it."""
        return f"$${self.formula}$$ {self.tag}".strip()


def equations(node: Node, numbers: Numbers) -> Iterator[Equation | tuple[Node, ...]]:
    """Give the formulas of `node`, and nodes of text that stand between rows."""
    cursor = Cursor(node.children)
    if node.kind == "environment":
        skip_arguments(node, cursor)
    is_numbered = (
        node.kind == "environment" and not node.text.endswith("*") and node.name not in {"displaymath", "math"}
    )
    nodes = list(cursor)
    if node.name not in ROWS_NUMBERED:
        yield from _row(nodes, numbers, is_numbered=is_numbered, keeps_marks=node.kind == "display")
        return
    for row in _rows(nodes):
        yield from _row(row, numbers, is_numbered=is_numbered, keeps_marks=False)


def _rows(nodes: Sequence[Node]) -> Iterator[list[Node]]:
    row: list[Node] = []
    cursor = Cursor(nodes)
    for node in cursor:
        if node.kind == "command" and node.name == "\\":
            yield row
            row = []
            cursor.star()
            cursor.optional()
        else:
            row.append(node)
    yield row


@dataclass(slots=True)
class _Row:
    """What one row says of itself besides its formula."""

    is_numbered: bool
    formula: list[Node] = field(default_factory=list[Node])
    labels: list[str] = field(default_factory=list[str])
    tag: str = ""

    def command(self, node: Node, cursor: Cursor) -> None:
        """Take a command that stands in the row itself."""
        match node.name:
            case "label":
                self.labels.append(plain(cursor.argument()))
            case "tag":
                star, text = cursor.star(), source(cursor.argument()).strip("$")
                self.tag = text if star else f"({text})"
            case "nonumber" | "notag":
                self.is_numbered = False
            case _:
                self.formula.append(node)

    def numbered(self, numbers: Numbers) -> Iterator[Equation]:
        """Count the row; one without a formula is none."""
        formula = plain_formula(source(self.formula))
        if not formula:
            return
        if self.tag:
            numbers.here = ("Equation", self.tag.strip("()"))
        elif self.is_numbered:
            self.tag = f"({numbers.equation()})"
        for label in self.labels:
            numbers.label(label)
        yield Equation(formula=formula, tag=self.tag)


def _row(
    nodes: Sequence[Node], numbers: Numbers, *, is_numbered: bool, keeps_marks: bool
) -> Iterator[Equation | tuple[Node, ...]]:
    row = _Row(is_numbered=is_numbered)
    cursor = Cursor(nodes)
    for node in cursor:
        if node.kind == "command" and node.name in {"intertext", "shortintertext"}:
            yield cursor.argument()
        elif node.kind == "command":
            row.command(node, cursor)
        elif keeps_marks or node.kind != "align":
            row.formula.append(node)
    yield from row.numbered(numbers)
