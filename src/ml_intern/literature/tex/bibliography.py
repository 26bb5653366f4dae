"""Read the list of references: its entries, and how the text cites each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ml_intern.literature.tex.nodes import Node
from ml_intern.literature.tex.vocabulary import TEXTUAL
from ml_intern.literature.tex.words import Cursor, Words, plain

_AUTHOR_YEAR = re.compile(r"(?P<authors>.+?)\s*\((?P<year>[^()]*\d{4}[^()]*|[^()]*)\)")


@dataclass(slots=True)
class Bibliography:
    """`entries` are texts in order; `names` says for each key how it is cited: by authors and year, or a number."""

    entries: list[str] = field(default_factory=list[str])
    names: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])

    def cite(self, command: str, keys: Sequence[str]) -> str:
        """Give the text of a citation."""
        known = [self.names.get(key, ("", key)) for key in keys]
        if not any(authors for authors, _ in known):
            return f"[{', '.join(number for _, number in known)}]"
        if command == "citeauthor":
            return ", ".join(authors or year for authors, year in known)
        if command in {"citeyear", "citeyearpar"}:
            return f"({', '.join(year for _, year in known)})"
        if command in TEXTUAL:
            return ", ".join(f"{authors} ({year})" if authors else f"[{year}]" for authors, year in known)
        return f"({'; '.join(f'{authors}, {year}' if authors else year for authors, year in known)})"


def read_bibliography(environment: Node) -> Bibliography:
    """Read an environment `thebibliography`."""
    found = Bibliography()
    words = Words(cite=found.cite)
    for number, (label, key, text) in enumerate(_entries(environment), 1):
        match = _AUTHOR_YEAR.match(words.text(label)) if label else None
        entry = words.text(text)
        if match:
            found.names[key] = (match["authors"].strip("{} "), match["year"])
        else:
            name = words.text(label) if label else str(number)
            found.names[key] = ("", name)
            entry = f"[{name}] {entry}"
        if entry:
            found.entries.append(entry)
    return found


def _entries(environment: Node) -> Iterator[tuple[Sequence[Node], str, Sequence[Node]]]:
    """Give label, key and text of each entry."""
    cursor = Cursor(environment.children)
    label: Sequence[Node] = ()
    key: str | None = None
    text: list[Node] = []
    for node in cursor:
        if node.kind == "command" and node.name == "bibitem":
            if key is not None:
                yield label, key, text
            label = cursor.optional() or ()
            key, text = plain(cursor.argument()), []
        else:
            text.append(node)
    if key is not None:
        yield label, key, text
