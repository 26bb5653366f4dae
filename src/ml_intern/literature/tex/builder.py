"""Walk the tree of a paper and write its sections and blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ml_intern.literature.document import Block, BlockKind, Section
from ml_intern.literature.tables import markdown
from ml_intern.literature.tex.declarations import DECLARATIONS, declare
from ml_intern.literature.tex.equations import Equation, equations
from ml_intern.literature.tex.nodes import Node
from ml_intern.literature.tex.numbers import Numbers
from ml_intern.literature.tex.pseudocode import ALGORITHMS, pseudocode
from ml_intern.literature.tex.tabular import rows_of
from ml_intern.literature.tex.vocabulary import (
    DRAWINGS,
    EQUATIONS,
    FLOATS,
    LISTS,
    NO_TEXT,
    RUN_IN,
    SECTIONS,
    TABULARS,
)
from ml_intern.literature.tex.words import Cursor, Words, plain, skip_arguments

TITLES = frozenset({"title", "icmltitle", "Title", "aistatstitle", "maintitle"})
AUTHORS = frozenset({"author", "aistatsauthor", "authors", "icmlauthor", "affiliation", "institute"})
_ABSTRACTS = frozenset({"abstract", "onecolabstract"})
_THANKS = frozenset({"ack", "acks", "acknowledgements", "acknowledgments", "acknowledgement", "acknowledgment"})
_SUBFLOATS = frozenset({"subfigure", "subtable"})


@dataclass(slots=True)
class Builder:
    """Collects one paper. `broken` counts blocks in which a command was not known."""

    words: Words
    numbers: Numbers = field(default_factory=Numbers)
    sections: list[Section] = field(default_factory=lambda: [Section(number="", title="", level=1, blocks=())])
    blocks: list[Block] = field(default_factory=list[Block])
    titles: list[str] = field(default_factory=list[str])
    run: list[Node] = field(default_factory=list[Node])
    float_kind: str = ""
    has_chapters: bool = False
    broken: int = 0

    def flow(self, nodes: Iterable[Node]) -> None:
        """Read nodes in order; what is no block of its own is text of the paragraph."""
        cursor = Cursor(list(nodes))
        for node in cursor:
            match node.kind:
                case "par":
                    self.end_paragraph()
                case "command" if (action := _COMMANDS.get(node.name)) is not None:
                    action(self, node.name, cursor)
                case "environment":
                    self._environment(node)
                case "display":
                    self._equations(node)
                case "verbatim":
                    self._apart("code", f"```\n{node.text.strip(chr(10))}\n```")
                case "group" if any(map(_is_block, node.children)):
                    self.flow(node.children)
                case _:
                    self.run.append(node)

    def finished(self) -> tuple[Section, ...]:
        """Close what is open, and give all sections with the numbers that labels stand for."""
        self.end_paragraph()
        self._close()
        return tuple(
            replace(
                section, title=self.numbers.resolved(section.title), blocks=tuple(map(self._resolved, section.blocks))
            )
            for section in self.sections
        )

    def _resolved(self, block: Block) -> Block:
        rows = tuple(tuple(map(self.numbers.resolved, row)) for row in block.rows)
        return replace(block, text=self.numbers.resolved(block.text), rows=rows)

    # paragraphs

    def end_paragraph(self) -> None:
        """Make a paragraph of what was read since the last block."""
        nodes, self.run = self.run, []
        self.add("paragraph", self._text(nodes))

    def add(self, kind: BlockKind, text: str, rows: tuple[tuple[str, ...], ...] = ()) -> None:
        """Add a block, unless it is empty; a figure has no text."""
        if text or kind == "figure":
            self.blocks.append(Block(kind=kind, text=text, rows=rows))

    def _apart(self, kind: BlockKind, text: str) -> None:
        self.end_paragraph()
        self.add(kind, text)

    def _text(self, nodes: Sequence[Node]) -> str:
        before = self.words.unknown.total()
        text = self.words.text(nodes)
        self.broken += self.words.unknown.total() > before
        return text

    # sections

    def open(self, title: str, *, level: int = 1, number: str = "") -> None:
        """Begin a section."""
        self.end_paragraph()
        self._close()
        self.sections.append(Section(number=number, title=title, level=level, blocks=()))

    def _close(self) -> None:
        self.sections[-1] = replace(self.sections[-1], blocks=(*self.sections[-1].blocks, *self.blocks))
        self.blocks = []

    def heading(self, name: str, cursor: Cursor) -> None:
        r"""`\section*[short]{title}`."""
        is_numbered = not cursor.star()
        cursor.optional()
        title = self._text(cursor.argument())
        level = max(1, SECTIONS[f"\\{name}"] - (0 if self.has_chapters else 1))
        self.open(title, level=level, number=self.numbers.section(level) if is_numbered and name != "part" else "")

    def run_in(self, name: str, cursor: Cursor) -> None:
        r"""`\paragraph{title}`: bold words before the text."""
        del name
        self.end_paragraph()
        cursor.star()
        title = self._text(cursor.argument())
        self.run += [Node(kind="text", text="**"), Node(kind="inline", text=title), Node(kind="text", text="** ")]

    def title(self, name: str, cursor: Cursor) -> None:
        r"""`\title{…}`: told, and no block."""
        del name
        cursor.optional()
        self.titles.append(self.words.text([n for n in cursor.argument() if not _is_break(n)]))

    def author(self, name: str, cursor: Cursor) -> None:
        r"""`\author{…}`: a paragraph."""
        cursor.optional()
        self._apart("paragraph", self._text(cursor.argument()))
        if name == "icmlauthor":  # the second argument names institutes
            cursor.argument()

    def appendix(self, name: str, cursor: Cursor) -> None:
        r"""`\appendix`."""
        del name, cursor
        self.end_paragraph()
        self.numbers.appendix()

    def abstract(self, name: str, cursor: Cursor) -> None:
        r"""`\abstract{…}`, as some classes have it."""
        del name
        self.open("Abstract")
        self.flow(cursor.argument())
        self.end_paragraph()

    # declarations and labels

    def label(self, name: str, cursor: Cursor) -> None:
        r"""`\label{…}`."""
        del name
        self.numbers.label(plain(cursor.argument()))

    def declaration(self, name: str, cursor: Cursor) -> None:
        r"""`\newtheorem`, `\numberwithin`."""
        declare(name, cursor, self.numbers, self.words)

    # floats

    def caption(self, name: str, cursor: Cursor) -> None:
        r"""`\caption[short]{text}` and `\captionof{table}{text}`."""
        kind = self.float_kind
        if name == "captionof":
            kind = FLOATS.get(plain(cursor.argument()), "Figure")
        is_numbered = not cursor.star()
        cursor.optional()
        nodes = cursor.argument()
        if kind == "sub":
            self.numbers.counts["subfloat"] += 1
            label = f"({chr(ord('a') + (self.numbers.counts['subfloat'] - 1) % 26)})"
        else:
            label = f"{kind or 'Figure'} {self.numbers.floating(kind or 'Figure')}:" if is_numbered else ""
        # labels may stand within the caption
        for node, following in pairwise(nodes):
            if node.text == r"\label":
                self.numbers.label(plain(following.children))
        self._apart("caption", f"{label} {self._text(nodes)}".strip())

    def graphic(self, name: str, cursor: Cursor) -> None:
        r"""`\includegraphics[options]{file}`: a figure within a float, else nothing."""
        del name
        cursor.star()
        cursor.optional()
        cursor.argument()
        if self.float_kind:
            self.end_paragraph()
            self.add("figure", "")

    def _float(self, node: Node) -> None:
        self.end_paragraph()
        outer, self.float_kind = self.float_kind, "sub" if node.name in _SUBFLOATS else FLOATS[node.name]
        cursor = Cursor(node.children)
        skip_arguments(node, cursor)
        children = list(cursor)
        if self.float_kind == "Algorithm" and not any(child.name in ALGORITHMS for child in children):
            for place, child in enumerate(children):
                if child.text == r"\caption":
                    self.caption("caption", Cursor(children, place + 1))
                elif child.text == r"\label":
                    self.label("label", Cursor(children, place + 1))
            self.add("code", pseudocode(children, self.words))
        else:
            self.flow(children)
        self.end_paragraph()
        self.float_kind = outer

    def _tabular(self, node: Node) -> None:
        self.end_paragraph()
        if node.name in FLOATS:
            cursor = Cursor(node.children)
            for child in cursor:
                if child.text in {r"\caption", r"\label"}:
                    self.float_kind = FLOATS[node.name]
                    _COMMANDS[child.name](self, child.name, cursor)
            self.float_kind = ""
        before = self.words.unknown.total()
        rows = rows_of(node, self.words)
        self.broken += self.words.unknown.total() > before
        self.add("table", markdown(rows), rows)

    # environments

    def _environment(self, node: Node) -> None:
        name = node.name
        if name in EQUATIONS:
            self._equations(node)
        elif name in TABULARS:
            self._tabular(node)
        elif name in FLOATS or name in _SUBFLOATS:
            self._float(node)
        elif name in LISTS:
            self._list(node)
        elif name in self.numbers.theorems or name == "proof":
            self._theorem(node)
        elif name in ALGORITHMS:
            self._apart("code", pseudocode(node.children, self.words))
        else:
            self._plain_environment(node)

    def _plain_environment(self, node: Node) -> None:
        """Read what only looks different, and what is a section without a command."""
        self.end_paragraph()
        if node.name in DRAWINGS:
            if self.float_kind:
                self.add("figure", "")
            return
        if node.name == "thebibliography":
            return
        if node.name in _ABSTRACTS or node.name in _THANKS:
            self.open("Abstract" if node.name in _ABSTRACTS else "Acknowledgements")
        cursor = Cursor(node.children)
        skip_arguments(node, cursor)
        self.flow(cursor)
        self.end_paragraph()

    def _equations(self, node: Node) -> None:
        self.end_paragraph()
        if node.name == "subequations":
            self.numbers.group, self.numbers.counts["subequation"] = self.numbers.equation(), 0
            self.flow(node.children)
            self.end_paragraph()
            self.numbers.group = ""
            return
        for found in equations(node, self.numbers):
            if isinstance(found, Equation):
                self.add("equation", found.text)
            else:
                self._apart("paragraph", self._text(found))

    def _list(self, node: Node) -> None:
        self.end_paragraph()
        cursor = Cursor(node.children)
        skip_arguments(node, cursor)
        items: list[tuple[Sequence[Node] | None, list[Node]]] = []
        for child in cursor:
            if child.kind == "command" and child.name == "item":
                items.append((cursor.optional(), []))
            elif items:
                items[-1][1].append(child)
        for number, (label, content) in enumerate(items, 1):
            self.numbers.here = ("Item", str(number)) if node.name == "enumerate" else self.numbers.here
            mark = self._text(label) if label else f"{number}." if "enum" in node.name else "-"
            self._item(mark or "-", content)

    def _item(self, mark: str, content: Sequence[Node]) -> None:
        outer, self.blocks = self.blocks, []
        self.flow(content)
        self.end_paragraph()
        inner, self.blocks = self.blocks, outer
        if inner and inner[0].kind == "paragraph":
            inner[0] = replace(inner[0], kind="item", text=f"{mark} {inner[0].text}")
        elif mark != "-":
            self.add("item", mark)
        self.blocks += inner

    def _theorem(self, node: Node) -> None:
        self.end_paragraph()
        title, number = ("Proof", "") if node.name == "proof" else self.numbers.theorem(node.name)
        cursor = Cursor(node.children)
        note = cursor.optional()
        heading = " ".join(filter(None, [title, number, f"({self._text(note)})" if note else ""]))
        self.add("paragraph", f"**{heading}.**")
        self.flow(cursor)
        self.end_paragraph()


def _is_break(node: Node) -> bool:
    return node.kind == "command" and node.name in {"thanks", "footnote"}


def _is_block(node: Node) -> bool:
    """Whether a node is, or holds, something that no line of text can hold."""
    match node.kind:
        case "environment":
            return node.name not in {"math", "matrix", "pmatrix", "bmatrix"}
        case "display" | "verbatim" | "par":
            return True
        case "command":
            return node.name in _COMMANDS and node.name != "label"
        case "group":
            return any(map(_is_block, node.children))
        case _:
            return False


def skip(builder: Builder, name: str, cursor: Cursor) -> None:
    """Leave out a declaration."""
    del builder
    cursor.star()
    for _ in range(NO_TEXT.get(name, 1)):
        cursor.optional()
        cursor.argument()


def spread(builder: Builder, name: str, cursor: Cursor) -> None:
    r"""`\twocolumn[title over both columns]`."""
    del name
    builder.flow(cursor.optional() or ())
    builder.end_paragraph()


def end(builder: Builder, name: str, cursor: Cursor) -> None:
    r"""`\par` and what parts pages."""
    del name, cursor
    builder.end_paragraph()


_COMMANDS: dict[str, Callable[[Builder, str, Cursor], None]] = {
    **dict.fromkeys((name[1:] for name in SECTIONS), Builder.heading),
    **dict.fromkeys((name[1:] for name in RUN_IN), Builder.run_in),
    **dict.fromkeys(TITLES, Builder.title),
    **dict.fromkeys(AUTHORS, Builder.author),
    **dict.fromkeys(("caption", "captionof", "subcaption"), Builder.caption),
    **dict.fromkeys(("par", "newpage", "clearpage", "pagebreak", "bigskip", "medskip", "smallskip"), end),
    "appendix": Builder.appendix,
    "abstract": Builder.abstract,
    "label": Builder.label,
    **dict.fromkeys(DECLARATIONS, Builder.declaration),
    "includegraphics": Builder.graphic,
    "twocolumn": spread,
    "bibliographystyle": skip,
}
DECLARED = frozenset({"author", "abstract"}) | TITLES | DECLARATIONS
"""Commands that count before the document begins."""


def commands_before(nodes: Sequence[Node], builder: Builder) -> None:
    """Carry out those of `DECLARED` in the preamble."""
    cursor = Cursor(nodes)
    for node in cursor:
        if node.kind == "command" and node.name in DECLARED:
            _COMMANDS[node.name](builder, node.name, cursor)
