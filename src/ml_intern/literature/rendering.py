"""Show a document to a reader who asks for one part at a time: anchors, parts and pages."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ml_intern.core.errors import ToolError
from ml_intern.literature.document import Block, Document, Section
from ml_intern.literature.paper import Paper
from ml_intern.literature.scholar import Neighbour

PAGE_LIMIT = 6_000
"""Characters of a page that is shown at once."""
ABSTRACT, LISTED = 2_500, 60
"""Characters of an abstract (arXiv takes 1,920), and sections of which an error names so many."""
_LABEL = re.compile(
    r"(?P<kind>table|figure|fig\.?|algorithm|equation|eq\.?)\s*\(?(?P<number>[A-Z]?\.?\d+(?:\.\d+)*[a-z]?|[IVX]{1,5})\)?",
    re.IGNORECASE,
)
_NUMBERS = re.compile(r"(?:(?:^|\s+)\([\w.'*]{1,8}\))+\s*$")
"""At the end of an equation."""
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


def entry(paper: Paper) -> str:
    """Say in a paragraph what the catalogue says of a paper."""
    authors = ", ".join(paper.authors[:6]) + (f" and {len(paper.authors) - 6} more" if len(paper.authors) > 6 else "")
    cited = () if paper.citations is None else (f"cited {paper.citations} times",)
    about = "; ".join(filter(None, (authors, paper.published, ", ".join(paper.categories), *cited)))
    abstract = paper.abstract if len(paper.abstract) <= ABSTRACT else f"{paper.abstract[:ABSTRACT]} …"
    return f"{paper.name}: {paper.title[:ABSTRACT]}\n{about}\n{abstract}"


def neighbour_line(neighbour: Neighbour) -> str:
    """Give one line: identifier, title, first author, year, citations."""
    who = f"{neighbour.authors[0]}{' et al.' if len(neighbour.authors) > 1 else ''}, " if neighbour.authors else ""
    cited = f", cited {neighbour.citations} times" if neighbour.citations is not None else ""
    return f"{neighbour.id or '(not on arXiv)'}: {neighbour.title}; {who}{neighbour.year or 'no year'}{cited}"


def overview(document: Document) -> str:
    """Say what the paper is, where its text comes from and what can be asked for."""
    lines = [entry(document.paper), "", f"Source: {document.source.upper()}."]
    lines += [f"Not used: {reason}." for reason in document.passed_over]
    lines += [f"Note: {note}" for note in document.content.notes]
    lines += ["", "Sections (characters with subsections; pages):"]
    for part in parts(document):
        name = part.heading if part.anchor in {part.number, part.title} else f"{part.heading} [ask for: {part.anchor}]"
        size = max(1, math.ceil(len(part.text) / PAGE_LIMIT))
        lines.append(f"{'  ' * (part.level - 1)}{name} ({len(part.text):,}; {size})")
    return "\n".join(lines)


def anchored(document: Document) -> tuple[tuple[str, Section], ...]:
    """Give the sections in order, each with the anchor that names it; the references are the last one."""
    sections = _titled(document)
    return tuple(zip(_anchors(sections), sections, strict=True))


def parts(document: Document) -> tuple[Part, ...]:
    """Give every part in order; the references are the last one."""
    pairs = anchored(document)
    sections = [section for _, section in pairs]
    return tuple(
        Part(
            anchor=anchor,
            number=section.number,
            title=section.title,
            level=section.level,
            text=_text(_family(sections, place)),
        )
        for place, (anchor, section) in enumerate(pairs)
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
    anchors = [part.anchor for part in fitting or known]
    more = f" … {len(anchors) - LISTED} more" if len(anchors) > LISTED else ""
    listed = ", ".join(anchors[:LISTED]) + more
    problem = "fits several sections" if fitting else "is no section of this paper"
    raise ToolError(f"{wanted[:80]!r} {problem}; give one of: {listed}")


def labelled(document: Document, wanted: str) -> str | None:
    """Give the table, figure, algorithm or equation that `wanted` names by kind and number, with its caption.

    None for what is no such name, or names nothing in this paper.
    """
    match = _LABEL.fullmatch(wanted.strip())
    if match is None:
        return None
    kind, number = match["kind"].lower(), re.escape(match["number"])
    if kind.startswith("eq"):
        return _equation(document, match["number"])
    return _captioned(document, re.compile(rf"\W*{kind[:3]}[a-z]*\.?\s*{number}(?!\.?\d)", re.IGNORECASE))


def _equation(document: Document, number: str) -> str | None:
    """Give the display that has `number`, with the rows before it that have none; one may have several numbers."""
    for section in document.content.sections:
        rows: list[str] = []
        for block in section.blocks:
            numbers = _NUMBERS.search(block.text) if block.kind == "equation" else None
            rows = [*rows, block.text] if block.kind == "equation" else []
            if numbers and f"({number})".casefold() in numbers[0].casefold().split():
                return "\n\n".join(rows)
            rows = [] if numbers else rows
    return None


def _captioned(document: Document, label: re.Pattern[str]) -> str | None:
    for section in document.content.sections:
        for place, block in enumerate(section.blocks):
            if block.kind == "caption" and label.match(block.text):
                return "\n\n".join(b.text for b in _with_table(section.blocks, place))
    return None


def _with_table(blocks: Sequence[Block], place: int) -> Sequence[Block]:
    """Give a caption and the table after it or, if none follows, before it."""
    if place + 1 < len(blocks) and blocks[place + 1].kind == "table":
        return blocks[place : place + 2]
    if place and blocks[place - 1].kind == "table":
        return (blocks[place], blocks[place - 1])
    return blocks[place : place + 1]


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
    references = document.content.references
    return [Section(number="", title="References", level=1, blocks=references)] if references else []


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
            if block.page not in {None, page} and block.kind not in {"reference", "figure"}:
                page = block.page
                lines.append(f"[page {page}]")
            if block.text:
                lines.append(block.text)
    return "\n\n".join(lines)


def _names(part: Part) -> tuple[str, str, str]:
    """Give its names, the surest first: a title may be another part's anchor."""
    return _plain(part.anchor), _plain(part.title), _plain(part.heading)


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold().rstrip(".")
