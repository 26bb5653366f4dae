"""Tell headings by their fonts, numbers and names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ml_intern.literature.layout.fonts import is_italic, is_small_caps
from ml_intern.literature.layout.lines import Piece
from ml_intern.literature.layout.marks import APPENDIX, CAPTION, ITALIC_NUMBER, NAMES, NUMBERED, NUMBERED_LOW, ROMAN

LONGEST = 110
"""Characters of a line of a heading."""
SHORT = 70
"""Characters of a heading that has nothing but its bold letters."""
TITLE = 5.0
"""How much larger than the text the title of a paper surely is, in 1/72 inch."""
SMALLER = 2.6
"""How much smaller than the text a heading may be, in 1/72 inch: running heads are smaller still."""

STEP = 0.9
"""How much smaller than that of a section the heading of a subsection is, in 1/72 inch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Size of running text and the usual distance of its baselines, in 1/72 inch.

    `chain` are lines, folded, that count up as headings do, and `known` those that are headings where no font tells it.
    In a paper that is `unnumbered` a bold line on its own is one. `section` is the size of the headings of sections, 0
    if nothing tells it.
    """

    size: float
    lead: float
    chain: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    section: float = 0.0
    unnumbered: bool = False


@dataclass(frozen=True, slots=True)
class _Looks:
    """How a line is set apart from the text: `large` is its size beyond that of the text."""

    large: float
    is_bold: bool
    is_capital: bool
    is_italic: bool

    @property
    def is_apart(self) -> bool:
        return self.large >= 0.9 or self.is_bold or self.is_capital


def heading_level(piece: Piece, style: Style, *, is_first_page: bool) -> int | None:
    """Give the level of a heading, 0 for the title of the paper; None for what is no heading."""
    text = piece.plain.strip()
    if len(text) > LONGEST or CAPTION.match(text) or piece.math > 0.5 or _letters(text) < 3:
        return None
    looks = _looks(piece, style)
    if looks.large < -SMALLER or (is_first_page and looks.large >= TITLE):
        return None if looks.large < 0 else 0  # before numbers: `A Study of …` has none
    plain = _plain_level(text, looks, style)
    if plain is not None:
        return plain
    number = NUMBERED.match(text) or (NUMBERED_LOW.match(text) if looks.is_bold or looks.large >= 0.9 else None)
    if (looks.is_apart and (number or APPENDIX.match(text))) or folded(text) in style.known:
        return _numbered_level(number["number"] if number else "", is_counted=folded(text) in style.chain)
    below = 2 if piece.size < style.section - STEP else 1
    if looks.large >= 1.4 and (looks.is_bold or looks.large > 3):
        return 0 if is_first_page and looks.large >= 3 else below
    return below if looks.large >= 0.9 and looks.is_bold else None


def _plain_level(text: str, looks: _Looks, style: Style) -> int | None:
    """Give the level of what its name, a Roman number, italics after a number, or bold alone make a heading."""
    name = re.sub(r"[^a-z ]", "", text.lower()).strip()
    is_below = looks.large >= 0.9 and style.size + looks.large < style.section - STEP
    if (name in NAMES or ROMAN.match(text)) and looks.is_apart:
        return 2 if is_below else 1
    if text[-1] in ".,:;":
        return None
    number = ITALIC_NUMBER.match(text) if looks.is_italic else None
    if number:
        return 1 + number["number"].count(".") if number["number"][0].isdecimal() else 2
    if style.unnumbered and looks.is_bold and len(text) <= SHORT and text[0].isupper():
        return 1 if (looks.is_capital or looks.large >= 0.9) and not is_below else 2
    return None


def _numbered_level(number: str, *, is_counted: bool) -> int | None:
    """Count the parts of a number; a plain one beyond 25 that nothing counted up to is a year, a page or a quantity."""
    return None if number.isdecimal() and int(number) > 25 and not is_counted else 1 + number.count(".")


def folded(text: str) -> str:
    """Give letters and digits only, small."""
    return "".join(filter(str.isalnum, text.lower()))


def _letters(text: str) -> int:
    return sum(character.isalpha() for character in NUMBERED.sub("", text, count=1))


def _looks(piece: Piece, style: Style) -> _Looks:
    letters = [character for character in piece.plain if character.isalpha()]
    capitals = sum(character.isupper() for character in letters)
    return _Looks(
        large=piece.size - style.size,
        is_bold=piece.bold > 0.72,
        is_capital=(len(letters) >= 4 and capitals > 0.75 * len(letters)) or _share(piece, is_small_caps) > 0.72,
        is_italic=_share(piece, is_italic) > 0.72,
    )


def _share(piece: Piece, holds: Callable[[str], bool]) -> float:
    """Give the share of a line's characters whose font `holds` it."""
    letters = sum(len(word.text) for word in piece.words)
    return sum(len(word.text) for word in piece.words if holds(word.font)) / max(letters, 1)


def is_continued(first: Piece, last: Piece, piece: Piece, style: Style) -> bool:
    """Whether `piece` is one more line of the heading that begins with `first`: set the same, and no heading itself."""
    if abs(piece.size - first.size) >= 0.2 or piece.base - last.base >= 1.5 * first.size:
        return False
    is_bold = first.bold > 0.72
    if is_bold and piece.bold <= 0.72:
        return False
    return (is_bold or first.size > style.size + 0.9) and not NUMBERED.match(piece.plain)
