"""Tell what the blocks of all pages are: headings, paragraphs, equations, captions, tables, entries of references."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from ml_intern.literature.document import Box
from ml_intern.literature.layout.fonts import is_italic
from ml_intern.literature.layout.grid import Grid
from ml_intern.literature.layout.headings import Style, heading_level, is_continued
from ml_intern.literature.layout.joining import Vocabulary, ends_sentence, goes_on
from ml_intern.literature.layout.lines import Piece, scripted
from ml_intern.literature.layout.marks import (
    APPENDIX,
    BULLET,
    CAPTION,
    ENTRY,
    EQUATION_NUMBER,
    FIRST_ENTRY,
    ITEM,
    NUMBERED,
    REFERENCES,
    RUN_IN,
    RUN_IN_PART,
)
from ml_intern.literature.layout.order import Lines, Picture, box_of
from ml_intern.literature.layout.page import Word
from ml_intern.literature.layout.ruled import Table
from ml_intern.literature.layout.sheet import Reading
from ml_intern.literature.tables import markdown

Kind: TypeAlias = Literal["heading", "paragraph", "equation", "caption", "table", "figure"]
_FLOATS: frozenset[Kind] = frozenset({"caption", "table", "figure"})
RAGGED = 3.0
"""How far, in 1/72 inch, lines of a justified column end or begin from its edge."""
FEWEST_FILLED = 2
"""Lines of a block that end at one place before they are justified: names below a title are centred."""
SHORT = 60
"""Characters of a line that may be a label between the parts of a paragraph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A piece of the paper in order. `level` of a heading: 0 for the title, 1 for sections, 2 for what is below.

    `box` is where it stands on its page, or begins if it goes on elsewhere. The last line of what `is_open` fills the
    column, and the first of what `is_flush` has no indent: what a float parts looks so.
    """

    kind: Kind
    text: str
    page: int
    level: int = 0
    rows: Grid = ()
    box: Box | None = None
    is_open: bool = False
    is_flush: bool = False


@dataclass(slots=True)
class _Flow:
    style: Style
    words: Vocabulary
    items: list[Item] = field(default_factory=list[Item])
    in_references: bool = False
    has_title_of_references: bool = True

    def add(self, kind: Kind, text: str, page: int, pieces: Sequence[Piece], level: int = 0) -> None:
        plain = re.sub(r"\s+", " ", text).strip()
        self.items.append(Item(kind=kind, text=plain, page=page, level=level, box=box_of(pieces)))

    def numbers_equation(self, piece: Piece) -> bool:
        """Put the number of an equation, which stands at the margin, behind it."""
        last = self.items[-1] if self.items else None
        if last is None or last.kind != "equation" or not EQUATION_NUMBER.fullmatch(piece.plain.strip()):
            return False
        self.items[-1] = replace(last, text=f"{last.text} {piece.plain.strip()}")
        return True

    def joined(self, pieces: Sequence[Piece]) -> str:
        text = ""
        for piece in pieces:
            text = self.words.join(text, piece.text)
        return text


def items_of(readings: Sequence[Reading], style: Style, words: Vocabulary) -> list[Item]:
    """Give everything but footnotes, in the order of reading, paragraphs whole."""
    flow = _Flow(style, words, has_title_of_references=_has_title_of_references(readings))
    for reading in readings:
        for placed, margin in zip(reading.placed, reading.margins, strict=True):
            match placed:
                case Table(rows=rows):
                    table = Item(kind="table", text=markdown(rows), page=reading.number, rows=rows, box=placed.box)
                    flow.items.append(table)
                case Picture():
                    flow.items.append(Item(kind="figure", text="", page=reading.number, box=placed.box))
                case Lines():
                    _Block(flow, placed, reading.number, margin).read()
    return _floats_moved(_front_matter(_titles_joined(_merged(flow.items, words))))


def _has_title_of_references(readings: Sequence[Reading]) -> bool:
    """Whether a line names the references; journals of physics leave it out."""
    return any(
        re.sub(r"[^a-z]", "", piece.plain.lower()) in REFERENCES
        for reading in readings
        for block in reading.placed
        if isinstance(block, Lines)
        for piece in block.pieces
    )


@dataclass(slots=True)
class _Block:
    """Reads one block of lines into the flow; `paragraph` is the one that lines are added to, `own` are its lines."""

    flow: _Flow
    lines: Lines
    page: int
    margin: float
    paragraph: str = ""
    own: list[Piece] = field(default_factory=list[Piece])

    def read(self) -> None:
        place = 0
        pieces = self.lines.pieces
        while place < len(pieces):
            place += self._take(place)
        self._end_paragraph()

    def _take(self, place: int) -> int:
        """Read what begins at line `place`; give the number of lines."""
        pieces = self.lines.pieces
        piece = pieces[place]
        if place == 0 and CAPTION.match(piece.plain) and not piece.is_formula:
            self._end_paragraph()
            self.flow.add("caption", self.flow.joined(pieces), self.page, pieces)
            return len(pieces)
        level = self._level(piece)
        if level is not None:
            return self._heading(place, level)
        if piece.is_formula:
            self._end_paragraph()
            self.flow.add("equation", piece.text, self.page, [piece])
            return 1
        if piece.math > 0.34 and len(piece.plain) < 140 and piece.x0 > self.margin + 14:
            self._end_paragraph()
            self.flow.add("equation", piece.text, self.page, [piece])
            return 1
        if self.paragraph or not self.flow.numbers_equation(piece):
            self._untitled(place)
            self._line(place)
        return 1

    def _untitled(self, place: int) -> None:
        """Begin the references where their first entry stands without a title above it."""
        entries = self.lines.pieces[place:]
        if self.flow.has_title_of_references or self.flow.in_references or not FIRST_ENTRY.match(entries[0].plain):
            return
        if any(piece.plain.startswith("[2]") for piece in entries):
            self._end_paragraph()
            self.flow.add("heading", "References", self.page, entries[:1], 1)
            self.flow.in_references = True

    def _level(self, piece: Piece) -> int | None:
        if piece.is_formula or not self._may_be_heading(piece):
            return None
        return heading_level(piece, self.flow.style, is_first_page=self.page == 1)

    def _may_be_heading(self, piece: Piece) -> bool:
        """Whether it may begin a section: within the references only what looks much like one may."""
        if not self.flow.in_references:
            return True
        looks = NUMBERED.match(piece.plain) or APPENDIX.match(piece.plain) or "append" in piece.plain.lower()
        return bool(looks) or piece.size > self.flow.style.size + 1.4

    def _heading(self, place: int, level: int) -> int:
        self._end_paragraph()
        pieces = self.lines.pieces
        end = place + 1
        while (
            end < len(pieces)
            and end - place < 4
            and is_continued(pieces[place], pieces[end - 1], pieces[end], self.flow.style)
        ):
            end += 1
        text = ""
        for piece in pieces[place:end]:
            text = self.flow.words.join(text, piece.plain)
        self.flow.in_references = any(name in text.lower() for name in REFERENCES)
        self.flow.add("heading", text, self.page, pieces[place:end], level)
        return end - place

    def _line(self, place: int) -> None:
        piece = self.lines.pieces[place]
        if self.paragraph and not self._begins_paragraph(place):
            self.paragraph = self.flow.words.join(self.paragraph, piece.text)
            self.own.append(piece)
            return
        self._end_paragraph()
        self.paragraph, self.own = self._run_in(piece), [piece]

    def _run_in(self, piece: Piece) -> str:
        """Give the text of a first line; a title that it begins with becomes a heading."""
        title, first = RUN_IN.match(piece.text), piece.words[0]
        if title is None or not (first.is_bold or is_italic(first.font)):
            return _with_run_in(piece)
        self.flow.add("heading", title["title"], self.page, [piece], 1)
        return piece.text[title.end() :]

    def _begins_paragraph(self, place: int) -> bool:
        piece, last = self.lines.pieces[place], self.lines.pieces[place - 1]
        left, width = self.lines.box.x0, self.lines.box.x1 - self.lines.box.x0
        if self.flow.in_references:
            return self._begins_entry(piece)
        if piece.base - last.base > 1.38 * self.flow.style.lead:
            return True
        is_indented = left + 6 < piece.x0 < left + 0.35 * width and last.x0 < left + 4
        is_item = ITEM.match(piece.plain) is not None
        return is_indented or (is_item and (last.x1 < self.lines.box.x1 - 8 or ITEM.match(self.paragraph) is not None))

    def _begins_entry(self, piece: Piece) -> bool:
        """An entry begins with its number in brackets, or sticks out to the left of its other lines."""
        if ENTRY.match(piece.plain):
            return True
        pieces, left = self.lines.pieces, self.margin
        hangs = any(other.x0 > left + 6 for other in pieces)
        return hangs and piece.x0 < left + 3 and not any(ENTRY.match(other.plain) for other in pieces)

    def _end_paragraph(self) -> None:
        if self.paragraph:
            self.flow.add("paragraph", self.paragraph, self.page, self.own)
            if not self.flow.in_references:
                last = replace(self.flow.items[-1], is_open=self._is_open(), is_flush=self._is_flush())
                self.flow.items[-1] = last
        self.paragraph = ""

    def _is_open(self) -> bool:
        """Whether the paragraph fills its last line as other lines of the block are filled."""
        edge = self.lines.box.x1 - RAGGED
        filled = sum(piece.x1 > edge for piece in self.lines.pieces)
        return filled >= FEWEST_FILLED and self.own[-1].x1 > edge

    def _is_flush(self) -> bool:
        first = self.own[0]
        return first.x0 < self.margin + RAGGED and not first.words[0].is_bold and not ITEM.match(first.plain)


def _with_run_in(piece: Piece) -> str:
    """Mark the bold words a paragraph begins with."""
    bold = _italic_title(piece.words)
    while bold < len(piece.words) and piece.words[bold].is_bold:
        bold += 1
    if not 0 < bold <= 9 or piece.bold > 0.95:
        return piece.text
    title = " ".join(word.text for word in piece.words[:bold])
    return f"**{title}** {scripted(piece.words[bold:], piece.base, piece.size)}"


def _italic_title(words: Sequence[Word]) -> int:
    """Count the words of a title in italics with a number, up to its colon, as IEEE sets its third level."""
    if not RUN_IN_PART.fullmatch(words[0].text):
        return 0
    end = next((n for n, word in enumerate(words) if word.text.endswith(":")), 0)
    return end + 1 if end and all(is_italic(word.font) for word in words[: end + 1]) else 0


def _floats_moved(items: Sequence[Item]) -> list[Item]:
    """Put floats out of the references: before them, or what is after their last entry behind the next heading."""
    titles = [n for n, item in enumerate(items) if item.kind == "heading" and item.level > 0]
    start = next((n for n in titles if items[n].text.strip(" .:").lower() in REFERENCES), None)
    if start is None:
        return list(items)
    end = next((n for n in titles if n > start), None)
    inside = range(start + 1, len(items) if end is None else end)
    last = max((n for n in inside if items[n].kind not in _FLOATS), default=start)
    later = [items[n] for n in inside if items[n].kind in _FLOATS and n > last and end is not None]
    earlier = [items[n] for n in inside if items[n].kind in _FLOATS and not (n > last and end is not None)]
    rest = [items[n] for n in inside if items[n].kind not in _FLOATS]
    follows = items[inside.stop :]
    below = next((n for n, item in enumerate(follows) if item.kind != "heading"), len(follows))
    return [*items[:start], *earlier, items[start], *rest, *follows[:below], *later, *follows[below:]]


def _merged(items: Sequence[Item], words: Vocabulary) -> list[Item]:
    """Join paragraphs over what floats between them: captions and tables, and labels of figures."""
    merged: list[Item] = []
    last: int | None = None
    end: Item | None = None  # paragraph `last`, but for its place: that of the part joined last
    for item in items:
        if item.kind == "paragraph" and last is not None and end is not None:
            if _continues(end, item, is_parted=last < len(merged) - 1):
                text = words.join(merged[last].text, item.text)
                merged[last] = replace(merged[last], text=text)
                end = replace(item, text=text)
                continue
            if _is_label(end, item):
                merged.append(item)
                continue
        if item.kind == "heading" or (item.kind == "equation" and not _is_beside(item, end)):
            last = None
        if item.kind == "paragraph":
            last, end = len(merged), item
        merged.append(item)
    return merged


def _continues(above: Item, below: Item, *, is_parted: bool) -> bool:
    """Whether `below` goes on with `above`; with a large letter only over a float, or in another column."""
    if BULLET.match(below.text):
        return False
    is_apart = is_parted or _is_elsewhere(above, below)
    may_be_name = is_apart and below.is_flush and not _is_label(above, below)
    return goes_on(above.text, below.text, is_open=above.is_open, may_be_name=may_be_name)


def _is_label(above: Item, below: Item) -> bool:
    """Whether a line above the next column is none of the text: the paragraph before it has not ended; it is short."""
    is_short = len(below.text) < SHORT and not below.is_open and not ends_sentence(below.text)
    return is_short and above.is_open and _is_elsewhere(above, below)


def _is_elsewhere(above: Item, below: Item) -> bool:
    """Whether `below` begins in a later column, or on a later page."""
    return above.page != below.page or _top(below) < _top(above)


def _is_beside(equation: Item, above: Item | None) -> bool:
    """Whether signs set apart from a line of the paragraph before them, as scripts are now and then, do not end it."""
    if above is None or above.box is None or equation.box is None or above.page != equation.page:
        return False
    return equation.box.y1 < above.box.y1 and equation.box.x0 < above.box.x1 and equation.box.x1 > above.box.x0


def _top(item: Item) -> float:
    return item.box.y0 if item.box else 0.0


def _titles_joined(items: Sequence[Item]) -> Iterator[Item]:
    """Make the lines of the paper's title one."""
    pending: Item | None = None
    for item in items:
        if pending is not None and item.kind == "heading" and item.level == 0:
            pending = replace(pending, text=f"{pending.text} {item.text}")
            continue
        if pending is not None:
            yield pending
        pending = item if item.kind == "heading" and item.level == 0 else None
        if pending is None:
            yield item
    if pending is not None:
        yield pending


def _front_matter(items: Iterator[Item]) -> list[Item]:
    """Make what looks like a heading before the abstract, such as a name in large letters, a paragraph."""
    found = list(items)
    begin = re.compile(r"(?:\d+\.?\s+)?(?:abstract|introduction)", re.IGNORECASE)
    start = next((n for n, item in enumerate(found) if item.kind == "heading" and begin.match(item.text)), 0)
    return [
        replace(item, kind="paragraph") if n < start and item.kind == "heading" and item.level else item
        for n, item in enumerate(found)
    ]
