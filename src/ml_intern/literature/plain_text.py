"""Read the plain text of a PDF into sections, in the order of the file, pages marked: for pages whose layout fails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ml_intern.literature.clean import clean
from ml_intern.literature.document import Block, Content, Section
from ml_intern.literature.numbering import Heading, headings

MOST_UNKNOWN = 0.02
"""Share of characters without a meaning above which the reader is warned."""
MANY_WORDS, FEWEST_USUAL = 100, 0.03
"""Words of a page, and the share of usual ones among them below which it is strange; 0.14 is low in references."""
MOST_NAMED = 10
"""Pages that a warning names."""
NOTE = (
    "This is plain text taken from a PDF: tables have lost their columns, equations and super- and subscripts may be"
    " garbled, two columns may be mixed. Check a number against its context before you rely on it."
)
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "\u00a0": " "})
_USUAL = frozenset({
    "the", "of", "and", "to", "in", "a", "is", "for", "we", "that", "with", "as", "by", "on", "are", "this", "from",
    "be", "an", "it", "or", "at", "was", "which", "not",
})  # fmt: skip
_HYPHEN = "\N{SOFT HYPHEN}"
_ENTRY = re.compile(r"\[\d{1,3}\]\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of text and its page, from 1."""

    page: int
    text: str


def content_of(texts: Sequence[str], *, why: str) -> Content:
    """Divide the texts of pages into sections by their numbered headings; `why` tells what the layout failed in."""
    lines = [Line(page=page, text=line) for page, text in enumerate(_mended(texts), 1) for line in text.splitlines()]
    lines = [line for line in lines if line.text.strip()]
    sections: list[Section] = []
    references: tuple[Block, ...] = ()
    for heading, below in _divided(lines):
        if heading is not None and heading.title.casefold() in {"references", "bibliography"}:
            references += _entries(below)
        else:
            sections.append(_section(heading, below))
    notes = (f"{NOTE} Why: {why}.", *garbled(texts))
    return Content(sections=tuple(sections), references=references, notes=notes)


def garbled(texts: Sequence[str]) -> Iterator[str]:
    """Warn where many characters of the pages have no meaning, and of pages that have hardly any usual word."""
    unknown = sum(text.count("\ufffd") for text in texts) / max(sum(map(len, texts)), 1)
    if unknown >= MOST_UNKNOWN:
        yield f"{unknown:.0%} of its characters have no known meaning."
    strange = [str(page) for page, text in enumerate(texts, 1) if _is_strange(text)]
    if strange:
        yield (
            f"Pages with hardly any usual English word: {', '.join(strange[:MOST_NAMED])}"
            f"{f' and {len(strange) - MOST_NAMED} more' if len(strange) > MOST_NAMED else ''}. They are in another"
            " language, or the file gives wrong letters for its signs."
        )


def _is_strange(text: str) -> bool:
    words = re.findall(r"[^\W\d_]+", text.lower())
    return len(words) >= MANY_WORDS and sum(word in _USUAL for word in words) < FEWEST_USUAL * len(words)


def _mended(texts: Sequence[str]) -> list[str]:
    """Join words that were broken at the end of a line, and drop what cannot be seen."""
    # PDFium writes U+FFFE, or U+0002 in older files, for a hyphen at a line's end and drops the line break there
    raw = [text.replace("\r\n", "\n").replace("\r", "\n").translate(_LIGATURES) for text in texts]
    marked = [re.sub(r"[\ufffe\x02]\n?|(?<=[^\W\d_])-\n(?=[a-z])", _HYPHEN, text) for text in raw]
    broken = re.compile(rf"[^\W\d_]*(?:-[^\W\d_]+)*{_HYPHEN}[^\W\d_]*(?:-[^\W\d_]+)*")
    words = {word.lower() for t in marked for word in re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", broken.sub(" ", t))}
    return [clean(broken.sub(lambda match: _joined(match[0], words), text)) for text in marked]


def _joined(word: str, words: set[str]) -> str:
    """Keep the hyphen of a compound: as the paper writes it elsewhere, else where capitals or more hyphens are."""
    whole, compound = word.replace(_HYPHEN, ""), word.replace(_HYPHEN, "-")
    if whole.lower() in words:
        return whole
    first, _, second = word.partition(_HYPHEN)
    before, after = first.rpartition("-")[2], second.partition("-")[0]
    if f"{before}{after}".lower() in words:
        return whole
    is_compound = compound.lower() in words or not first or not second or second[0].isupper()
    is_compound |= whole.count("-") > 0 and {before.lower(), after.lower()} <= words
    return compound if is_compound else whole


def _divided(lines: Sequence[Line]) -> Iterator[tuple[Heading | None, Sequence[Line]]]:
    found = headings([line.text for line in lines])
    starts = [heading.line for heading in found] + [len(lines)]
    if starts[0]:
        yield None, lines[: starts[0]]
    for heading, end in zip(found, starts[1:], strict=True):
        yield heading, lines[heading.line + heading.height : end]


def _section(heading: Heading | None, lines: Sequence[Line]) -> Section:
    pages = dict.fromkeys(line.page for line in lines)
    blocks = tuple(
        Block(kind="lines", text="\n".join(line.text for line in lines if line.page == page), page=page)
        for page in pages
    )
    if heading is None:
        return Section(number="", title="", level=1, blocks=blocks)
    return Section(number=heading.number, title=heading.title, level=heading.level, blocks=blocks)


def _entries(lines: Sequence[Line]) -> tuple[Block, ...]:
    """Divide references where each entry begins with its number in brackets; else give them page by page."""
    if not any(_ENTRY.match(line.text) for line in lines):
        return tuple(replace(block, kind="reference") for block in _section(None, lines).blocks)
    entries: list[list[Line]] = [[]]
    for line in lines:
        if _ENTRY.match(line.text):
            entries.append([])
        entries[-1].append(line)
    return tuple(
        Block(kind="reference", text=" ".join(line.text.strip() for line in entry), page=entry[0].page)
        for entry in entries
        if entry
    )
