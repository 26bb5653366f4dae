"""Read the pages of a PDF as a paper: its parts in order, and its footnotes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from ml_intern.literature.layout.flow import Item, items_of
from ml_intern.literature.layout.fonts import fonts_of
from ml_intern.literature.layout.headings import Style, folded
from ml_intern.literature.layout.joining import Vocabulary, vocabulary_of
from ml_intern.literature.layout.latex import Formula
from ml_intern.literature.layout.lines import Piece
from ml_intern.literature.layout.marks import NUMBERED, NUMBERED_LOW, ROMAN
from ml_intern.literature.layout.order import Lines
from ml_intern.literature.layout.page import RawPage
from ml_intern.literature.layout.sheet import Reading, read_sheet, sheets, usual_lead
from ml_intern.literature.numbering import headings

FEWEST_NUMBERS = 2
"""Headings with a number below which a paper numbers none."""
TRUSTED = 0.6
"""Share of the headings known by their numbers that fonts must find; else the numbers decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What stands in a paper, in the order of reading; footnotes in the order of pages."""

    items: tuple[Item, ...]
    footnotes: tuple[Item, ...]


def read_pages(pages: Sequence[RawPage], formulas: Mapping[int, Sequence[Formula]]) -> Paper:
    """Find the parts; `formulas` has what a second reader found, by the number of the page from 1."""
    runs = [run for page in pages for word in page.words for run in word]
    fonts = fonts_of((run.font, run.size, len(run.text)) for run in runs)
    found = sheets(pages, fonts)
    lead = usual_lead(found, fonts.size)
    words = vocabulary_of(word.text for sheet in found for word in sheet.words)
    readings = [read_sheet(sheet, fonts, lead, formulas.get(sheet.number, ())) for sheet in found]
    chain = _chain(readings)
    style = Style(size=fonts.size, lead=lead, chain=chain, section=_size_of_sections(readings, fonts.size, chain))
    items = items_of(readings, style, words)
    if _numbered(items) < TRUSTED * len(chain):
        items = items_of(readings, replace(style, known=chain), words)
    elif _counted(items) < FEWEST_NUMBERS:
        items = items_of(readings, replace(style, unnumbered=True), words)
    return Paper(items=tuple(items), footnotes=tuple(_footnotes(readings, words)))


def _pieces(readings: Sequence[Reading]) -> Iterator[Piece]:
    for reading in readings:
        for block in reading.placed:
            if isinstance(block, Lines):
                yield from block.pieces


def _chain(readings: Sequence[Reading]) -> frozenset[str]:
    """Give the lines that are headings by their numbers and names alone."""
    lines = [piece.plain for piece in _pieces(readings)]
    return frozenset(folded(lines[heading.line]) for heading in headings(lines))


def _size_of_sections(readings: Sequence[Reading], size: float, chain: frozenset[str]) -> float:
    """Give the usual size of headings with one number, else the largest that two lines after the first page have."""
    large = [(piece, round(piece.size, 1)) for piece in _pieces(readings) if piece.size >= size + 0.9]
    numbered = Counter(s for p, s in large if re.match(r"\d+\.?\s", p.plain) and folded(p.plain) in chain)
    if numbered:
        return numbered.most_common(1)[0][0]
    later = Counter(round(p.size, 1) for p in _pieces(readings[1:]) if p.bold > 0.72 and p.size >= size + 0.9)
    return max((s for s, count in later.items() if count > 1), default=0.0)


def _numbered(items: Sequence[Item]) -> int:
    return sum(item.kind == "heading" and item.level > 0 for item in items)


def _counted(items: Sequence[Item]) -> int:
    """Count the headings with a number."""
    marks = (NUMBERED, NUMBERED_LOW, ROMAN)
    return sum(item.kind == "heading" and any(mark.match(item.text) for mark in marks) for item in items)


def _footnotes(readings: Sequence[Reading], words: Vocabulary) -> Iterator[Item]:
    for reading in readings:
        for block in reading.footnotes:
            text = reduce(words.join, (piece.text for piece in block.pieces), "")
            yield Item(kind="paragraph", text=text, page=reading.number, box=block.box)
