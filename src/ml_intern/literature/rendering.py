"""Show a document to a reader who asks for one part at a time: anchors, parts and pages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ml_intern.core.errors import ToolError
from ml_intern.literature.document import Block, Document, Section

PAGE_LIMIT = 6_000
"""Characters of a page that is shown at once."""
_PREFIX = re.compile(r"^(?:section|sec\.?|appendix|§)\s*(?=\S)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A section with its subsections, as text. `anchor` is unique in the document."""

    anchor: str
    number: str
    title: str
    level: int
    text: str

    @property
    def heading(self) -> str:
        """Number and title as one line."""
        return f"{self.number} {self.title}".strip()


def parts(document: Document) -> tuple[Part, ...]:
    """Give every part in order; the references are the last one."""
    sections = _titled(document)
    anchors = _anchors(sections)
    return tuple(
        Part(
            anchor=anchor,
            number=section.number,
            title=section.title,
            level=section.level,
            text=_text(_family(sections, place)),
        )
        for place, (section, anchor) in enumerate(zip(sections, anchors, strict=True))
    )


def find(known: Sequence[Part], wanted: str) -> Part:
    """Give the part that `wanted` names by anchor, number, title or a piece of it that only one part has.

    Raises:
        ToolError: none or several fit; the message lists them.
    """
    asked = {_plain(wanted), _plain(_PREFIX.sub("", wanted.strip()))} - {""}
    fitting: list[Part] = []
    for rank in range(3):
        fitting = fitting or [part for part in known if _names(part)[rank] in asked]
    fitting = fitting or [part for part in known if any(piece in _names(part)[2] for piece in asked)]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(part.anchor for part in fitting or known)
    problem = "fits several sections" if fitting else "is no section of this paper"
    raise ToolError(f"{wanted[:80]!r} {problem}; give one of: {listed}")


def pages(text: str, *, limit: int = PAGE_LIMIT) -> tuple[str, ...]:
    """Cut `text` into pieces of at most `limit` characters that joined give it back, at the best places there are."""
    pieces: list[str] = []
    while len(text) > limit:
        cut = _best_cut(text, limit)
        pieces.append(text[:cut])
        text = text[cut:]
    return (*pieces, text)


def _best_cut(text: str, limit: int) -> int:
    """Prefer the end of a paragraph, then of a line, then of a word, in the second half of the page."""
    for end in ("\n\n", "\n", " "):
        cut = text.rfind(end, limit // 2, limit)
        if cut >= 0:
            return min(cut + len(end), limit)
    return limit


def _titled(document: Document) -> list[Section]:
    sections = [section for section in document.content.sections if section.number or section.title or section.blocks]
    return [
        section
        if section.number or section.title
        else Section(number="", title="Front matter", level=1, blocks=section.blocks)
        for section in sections
    ] + _references(document)


def _references(document: Document) -> list[Section]:
    from_source = document.content.references
    if not from_source:
        return []
    blocks = tuple(Block(kind="item", text=reference) for reference in from_source)
    return [Section(number="", title="References", level=1, blocks=blocks)]


def _anchors(sections: Sequence[Section]) -> list[str]:
    """Name each section by its number, else its title; a name that comes again is counted."""
    seen: Counter[str] = Counter()
    anchors: list[str] = []
    for section in sections:
        name = section.number or section.title
        seen[_plain(name)] += 1
        count = seen[_plain(name)]
        anchors.append(name if count == 1 else f"{name} ({count})")
    return anchors


def _family(sections: Sequence[Section], place: int) -> Iterator[Section]:
    """Give a section and those deeper than it up to the next of its level."""
    yield sections[place]
    for section in sections[place + 1 :]:
        if section.level <= sections[place].level:
            return
        yield section


def _text(family: Iterator[Section]) -> str:
    lines: list[str] = []
    page: int | None = None
    for depth, section in enumerate(family):
        if depth:
            lines.append(f"{'#' * min(section.level + 1, 6)} {section.number} {section.title}".replace("  ", " "))
        for block in section.blocks:
            if block.page not in {None, page}:
                page = block.page
                lines.append(f"[page {page}]")
            lines.append(block.text)
    return "\n\n".join(lines)


def _names(part: Part) -> tuple[str, str, str]:
    """Give its names, the surest first: a title may be another part's anchor."""
    return _plain(part.anchor), _plain(part.title), _plain(part.heading)


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold().rstrip(".")
