"""Say what the documentation index found, in few words."""

from __future__ import annotations

import re

from ml_intern.core.neutral import neutral, one_line
from ml_intern.documentation.index import Answer, Entry, Hit

_DOTTED = re.compile(r"\s*[A-Za-z_]\w*(\.\w+)+\s*")
MISSING = (
    "The sandbox has no documentation index; a person makes it with `ml-intern sandbox build`. Until then: "
    "help(name) or inspect.signature(name) in Python."
)


def render(answer: Answer, question: str) -> str:
    """Give the entry, or a paragraph for each hit."""
    if answer.entry is not None:
        return _whole(answer.entry)
    if answer.hits:
        found = "\n\n".join(_short(hit) for hit in answer.hits)
        absent = f"Nothing is called {one_line(question, 100)}. Nearest:\n\n" if _DOTTED.fullmatch(question) else ""
        return absent + found
    if not answer.built:
        return MISSING
    return f"Nothing fits {one_line(question, 100)!r}. Use other words, or help(name) in Python."


def _whole(entry: Entry) -> str:
    page = f" (page {entry.page} of {entry.pages})" if entry.pages > 1 else ""
    same = f"\n{one_line(entry.asked, 200)} is this." if entry.asked != entry.name else ""
    return f"{_head(entry)}{page}{same}\n\n{neutral(entry.text)}"


def _short(hit: Hit) -> str:
    return f"{_head(hit)}\n{one_line(hit.text, 300)}".rstrip()


def _head(hit: Hit) -> str:
    called = f"{hit.kind} {hit.name}{hit.signature}"
    return f"{one_line(called, 5000)}\n[{hit.package} {hit.version}, {hit.file}:{hit.line}]"
