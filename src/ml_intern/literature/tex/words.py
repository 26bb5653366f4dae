"""Write LaTeX of a line as text: formulas stay LaTeX, looks are gone, what is unknown is counted and its text kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ml_intern.literature.clean import clean
from ml_intern.literature.tex.nodes import Node, source
from ml_intern.literature.tex.vocabulary import (
    ACCENTS,
    CITATIONS,
    DRAWINGS,
    ENVIRONMENT_ARGUMENTS,
    NAMED_REFERENCES,
    NO_TEXT,
    REFERENCES,
    SILENT,
    SYMBOLS,
    TEXT_ARGUMENT,
    accented,
)

POINTER = re.compile("\x02([^\x03]*)\x03")
"""Stands for the number of a label until all labels are known: `kind|label`."""
_QUOTES = (("---", "—"), ("--", "\u2013"), ("``", "“"), ("''", "”"), ("`", "\u2018"), ("'", "\u2019"))
_LENGTH = re.compile(r"=?-?[\d.]+(?:pt|em|ex|cm|mm|in|bp|sp|pc|mu|fil+)")
_BEFORE_DIMENSION = frozenset({"vskip", "hskip", "kern", "baselineskip", "itemsep", "tabcolsep", "parskip"})


@dataclass(slots=True)
class Cursor:
    """Reads nodes one after the other, with the arguments behind a command."""

    nodes: Sequence[Node]
    place: int = 0
    closing: list[int | None] = field(default_factory=list[int | None])

    def __iter__(self) -> Iterator[Node]:
        while self.place < len(self.nodes):
            self.place += 1
            yield self.nodes[self.place - 1]

    def _behind_space(self) -> int:
        place = self.place
        while place < len(self.nodes) and self.nodes[place].kind == "space":
            place += 1
        return place

    def argument(self) -> tuple[Node, ...]:
        """Take a group's content, or the one node that stands next; nothing at the end."""
        place = self._behind_space()
        if place >= len(self.nodes) or self.nodes[place].kind in {"par", "align"}:
            return ()
        self.place = place + 1
        node = self.nodes[place]
        return node.children if node.kind == "group" else (node,)

    def group(self) -> tuple[Node, ...] | None:
        """Take a group's content; None where no group stands next."""
        place = self._behind_space()
        if place >= len(self.nodes) or self.nodes[place].kind != "group":
            return None
        self.place = place + 1
        return self.nodes[place].children

    def optional(self) -> tuple[Node, ...] | None:
        """Take what stands in brackets; None where none stand next."""
        place = self._behind_space()
        if place >= len(self.nodes) or self.nodes[place].text != "[":
            return None
        end = self._bracket_after(place)
        if end is None:
            return None
        self.place = end + 1
        return tuple(self.nodes[place + 1 : end])

    def _bracket_after(self, place: int) -> int | None:
        """Find the bracket that closes before the paragraph ends; looked up, as thousands may be open."""
        if len(self.closing) != len(self.nodes):
            self.closing = []
            end: int | None = None
            for number, node in reversed(list(enumerate(self.nodes))):
                end = number if node.text == "]" else None if node.kind == "par" else end
                self.closing.append(end)
            self.closing.reverse()
        return self.closing[place]

    def star(self) -> bool:
        """Take a star, if one stands next."""
        if self.place < len(self.nodes) and self.nodes[self.place].text == "*":
            self.place += 1
            return True
        return False

    def skip_dimension(self) -> None:
        """Leave out a length such as `-2pt plus 1pt`, which TeX takes without braces."""
        is_first = True
        while (place := self._behind_space()) < len(self.nodes) and self.nodes[place].kind == "text":
            word = self.nodes[place].text
            length = _LENGTH.match(word)
            if length is None and (is_first or word not in {"plus", "minus"}):
                return
            self.place, is_first = place + 1, False
            if length is not None and length.end() < len(word):
                left = Node(kind="text", text=word[length.end() :])
                self.nodes = [*self.nodes[: self.place], left, *self.nodes[self.place :]]
                return


@dataclass(slots=True)
class Words:
    """Turns nodes into text. `cite` gives the text of a citation; `unknown` counts commands nobody told us of."""

    cite: Callable[[str, Sequence[str]], str]
    unknown: Counter[str] = field(default_factory=Counter[str])

    def text(self, nodes: Sequence[Node]) -> str:
        """Give `nodes` on one line, without what cannot be seen."""
        return clean_line("".join(self._pieces(Cursor(nodes))))

    def _pieces(self, cursor: Cursor) -> Iterator[str]:
        for node in cursor:
            match node.kind:
                case "text":
                    yield _typeset(node.text)
                case "space" | "par" | "align":
                    yield " "
                case "inline" | "verbatim":
                    yield node.text
                case "command":
                    yield from self._command(node.name, cursor)
                case _:
                    yield from self._holder(node)

    def _holder(self, node: Node) -> Iterator[str]:
        if node.kind == "group":
            yield from self._pieces(Cursor(node.children))
        elif node.kind == "environment":
            yield from self._environment(node)
        else:
            yield formula(node.children)

    def _environment(self, node: Node) -> Iterator[str]:
        if node.name in DRAWINGS:
            return
        inner = Cursor(node.children)
        skip_arguments(node, inner)
        yield " "
        yield from self._pieces(inner)
        yield " "

    def _command(self, name: str, cursor: Cursor) -> Iterator[str]:
        if name in CITATIONS:
            yield self._citation(name, cursor)
        elif name in REFERENCES:
            cursor.star()
            kind = "named" if name in NAMED_REFERENCES else "equation" if name == "eqref" else ""
            labels = [label.strip() for label in plain(cursor.argument()).split(",")]
            yield ", ".join(f"\x02{kind}|{label}\x03" for label in labels)
        elif name in {"footnote", "footnotetext", "thanks"}:
            cursor.optional()
            yield f" [note: {self.text(cursor.argument())}]"
        elif name == "item":
            yield f" {self.text(cursor.optional() or ())} "
        elif name in ACCENTS and (name in SYMBOLS or not name.isalpha() or len(name) == 1):
            yield accented(name, self.text(cursor.argument()))
        else:
            yield from self._by_table(name, cursor)

    def _by_table(self, name: str, cursor: Cursor) -> Iterator[str]:
        if name in TEXT_ARGUMENT:
            yield from self._argument(name, cursor)
        elif name in NO_TEXT or name == "label":
            cursor.star()
            for _ in range(NO_TEXT.get(name, 1)):
                cursor.optional()
                cursor.argument()
        elif name in SYMBOLS:
            yield SYMBOLS[name]
            if name == "\\":
                cursor.star()
                cursor.optional()
        else:
            yield from self._switch(name, cursor)

    def _switch(self, name: str, cursor: Cursor) -> Iterator[str]:
        """Leave out a command without text; a group behind one that is not known may be its argument, and is kept."""
        if name not in SILENT:
            self.unknown[name] += 1
        if name in _BEFORE_DIMENSION:
            cursor.skip_dimension()
        if name == "xspace" and not _closes(cursor):
            yield " "
        if name in {"par", "newline", "break", "and", "And", "AND"}:
            yield " "
        if name not in SILENT:
            cursor.star()
            cursor.optional()

    def _argument(self, name: str, cursor: Cursor) -> Iterator[str]:
        cursor.star()
        for _ in range(TEXT_ARGUMENT[name] - 1):
            cursor.optional()
            # \parbox[t]{2cm}{text}, \hyperref[label]{text}
            if name != "hyperref":
                cursor.argument()
        cursor.optional()
        argument = cursor.argument()
        if name == "ensuremath":
            yield formula(argument)
        else:
            yield from self._pieces(Cursor(argument))

    def _citation(self, name: str, cursor: Cursor) -> str:
        cursor.star()
        notes = [note for note in (cursor.optional(), cursor.optional()) if note is not None]
        keys = [key.strip() for key in plain(cursor.argument()).split(",")]
        cited = self.cite(name, keys)
        note = self.text(notes[-1]) if notes else ""
        return f"{cited[:-1]}, {note}{cited[-1]}" if note and cited[-1:] in {"]", ")"} else cited


def skip_arguments(node: Node, cursor: Cursor) -> None:
    r"""Leave out what stands behind `\begin{name}` and is no text."""
    cursor.optional()
    for _ in range(ENVIRONMENT_ARGUMENTS.get(node.name, 0)):
        cursor.group()
        cursor.optional()


def formula(nodes: Sequence[Node]) -> str:
    """Give a formula in running text, with `$` around its source."""
    text = plain_formula(source(nodes))
    return f"${text}$" if text else ""


def plain_formula(text: str) -> str:
    """Leave out of a formula's source what is no part of it: labels, and commands for looks."""
    text = re.sub(r"\\label\s*\{[^{}]*\}|\\(?:ensuremath|xspace|displaystyle|nonumber|notag)(?![A-Za-z])", "", text)
    return clean(" ".join(text.split()))


def plain(nodes: Sequence[Node]) -> str:
    """Give names and keys as they are written."""
    return "".join(node.text or source((node,)) for node in nodes if node.kind != "space").strip("{} ")


def clean_line(text: str) -> str:
    """Squeeze white space, and leave out what cannot be seen but for the marks of pointers."""
    line = " ".join(text.split())
    return "".join(part if n % 2 else clean(part) for n, part in enumerate(re.split("(\x02[^\x03]*\x03)", line)))


def _typeset(text: str) -> str:
    for written, typeset in _QUOTES:
        text = text.replace(written, typeset)
    return text


def _closes(cursor: Cursor) -> bool:
    r"""Whether punctuation or a space stands next, before which `\xspace` is nothing."""
    if cursor.place >= len(cursor.nodes):
        return True
    node = cursor.nodes[cursor.place]
    return node.kind in {"space", "par"} or (node.kind == "text" and node.text[0] in ".,;:!?)]/'-")
