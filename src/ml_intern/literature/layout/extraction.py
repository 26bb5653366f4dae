"""Get words, rules and pictures of each page out of a PDF with PDFium, turned so that the text stands upright."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from ml_intern.literature.document import Box
from ml_intern.literature.layout.fonts import MONOSPACED, MOST_FONTS
from ml_intern.literature.layout.native import (
    Handle,
    code_of,
    drawn,
    font_of,
    handle_of,
    is_generated,
    is_invisible,
    object_of,
    place_of,
)
from ml_intern.literature.layout.page import RawPage, Rule, Run
from ml_intern.literature.layout.symbols import ADOBE_PIECES, OPERATORS, ROOT, TALL, codes

GAP = 0.21
"""Distance, in units of the font size, from which two characters belong to two words."""
TINY = 1.0
"""Points below which nobody reads a letter: such text is for programs only, and left out."""
BEHIND = 0.5
"""Share of the page that a picture covers from which text without ink is what was recognised on it."""
PITCH = 0.85
"""The same between the origins of two characters of a monospaced font, where there is much room beside `.` and `:`;
each is 0.53 to 0.6 wide, and so is a space between them."""
MOST_LETTERS = 4_096
"""Code points whose letters are remembered."""
THIN = 2.6
"""Height or width up to which a path is a rule."""
LONG = 8.0
"""Length from which a rule can be one of a table or above footnotes."""
_SPACES = frozenset(map(ord, " \r\n\t\v\f\u00a0\u2002\u2003\u2009\u200a"))
_HYPHENS = frozenset({0x02, 0xFFFE})
"""What PDFium writes for a hyphen at the end of a line, by its version."""
_NOT_TEXT = frozenset(
    {pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_SHADING, pdfium.FPDF_PAGEOBJ_FORM}
)
_HANGING = frozenset(OPERATORS + ROOT) | frozenset(ADOBE_PIECES.values())
"""Signs that hang from their baseline in some fonts and stand on it in others."""
_SIGNS = str.maketrans(ADOBE_PIECES) | str.maketrans({
    "\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"', "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "\N{LATIN SMALL LIGATURE FF}": "ff", "\N{LATIN SMALL LIGATURE FI}": "fi", "\N{LATIN SMALL LIGATURE FL}": "fl",
    "\N{LATIN SMALL LIGATURE FFI}": "ffi", "\N{LATIN SMALL LIGATURE FFL}": "ffl",
})  # fmt: skip
_ACCENTS = {
    "\u0060": "\u0300", "\u00b4": "\u0301", "\u005e": "\u0302", "\u02c6": "\u0302", "\u02dc": "\u0303",
    "\u00a8": "\u0308", "\u00af": "\u0304", "\u02d8": "\u0306", "\u02d9": "\u0307", "\u02da": "\u030a",
    "\u02c7": "\u030c", "\u00b8": "\u0327", "\u02db": "\u0328", "\u02dd": "\u030b",
}  # fmt: skip
"""Accents that stand for themselves, and the same to be put on a letter."""
_DOTLESS = str.maketrans({"\N{LATIN SMALL LETTER DOTLESS I}": "i", "\N{LATIN SMALL LETTER DOTLESS J}": "j"})


class _Character(NamedTuple):
    text: str
    x0: float
    x1: float
    base: float
    origin: float
    size: float
    font: str
    ink: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class _Style:
    """What all characters of one text object share: `turns` counts quarter turns of their direction."""

    font: str
    size: float
    turns: int | None
    codes: Mapping[int, str]


_GENERATED = _Style("", 0.0, 0, {})
"""Of a space that PDFium put in: it has no font, and counts as upright."""


class _Upright(NamedTuple):
    """How points of the sheet move to the page with its text upright, y downwards: which one is x, and where to."""

    width: float
    height: float
    is_sideways: bool
    x_sign: float
    x_from: float
    y_sign: float
    y_from: float

    def box(self, left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
        """Give left, top, right and bottom."""
        if self.is_sideways:
            left, bottom, right, top = bottom, left, top, right
        x0, x1 = self.x_sign * left + self.x_from, self.x_sign * right + self.x_from
        y0, y1 = self.y_sign * top + self.y_from, self.y_sign * bottom + self.y_from
        return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def read_page(page: Any) -> RawPage:
    """Read one page of an open document."""
    handle = page.get_textpage()
    text = handle_of(handle.raw)
    crop = left, bottom, right, top = page.get_cropbox()
    image = _largest_image(handle_of(page.raw), (right - left) * (top - bottom))
    styles = _styles(text, handle.count_chars(), shows_hidden=image > BEHIND)
    directions = Counter([style.turns for style in styles])
    directions.pop(None, None)
    turns = directions.most_common(1)[0][0] if directions else 0
    upright = _upright(crop, turns or 0)
    width, height = upright.width, upright.height
    found = _words(_accented(_characters(text, styles, turns or 0, upright)))
    words = tuple(w for w in found if w[0].x0 < width and w[-1].x1 > 0 and 0 < w[0].base < height + w[0].size)
    bars, verticals, pictures = _drawn(handle_of(page.raw), upright)
    return RawPage(
        width=width,
        height=height,
        words=words,
        horizontals=tuple(rule for rule in bars if rule.end - rule.start > LONG),
        bars=bars,
        verticals=verticals,
        pictures=pictures,
        text=str(handle.get_text_range()),
        image=image,
    )


def _styles(text: Handle, count: int, *, shows_hidden: bool) -> list[_Style]:
    """Give font, size and direction of each character; asked once for each text object, which most of them share.

    What no reader can see has no direction, and is so left out; with `shows_hidden` text without ink stays.
    """
    known: dict[int, _Style] = {}
    styles: list[_Style] = []
    for index in range(count):
        key = object_of(text, index)
        if key is None:
            styles.append(_GENERATED if is_generated(text, index) else _style(text, index))
            continue
        if (style := known.get(key)) is None:
            style = _style(text, index)
            if style.size < TINY or (not shows_hidden and is_invisible(key)):
                style = replace(style, turns=None)
            known[key] = style
        styles.append(style)
    return styles


def _style(text: Handle, index: int) -> _Style:
    name, size, matrix = font_of(text, index)
    turns: int | None = 0
    # programs that save a PDF anew may set size 1 and put the size into the matrix
    if matrix is not None:
        a, b, c, d, _, _ = matrix
        size = size * math.hypot(c, d) or size
        turns = _turns(math.degrees(math.atan2(b, a)))
    font = _font(name)
    return _Style(font, round(size, 2), turns, codes(font))


def _largest_image(page: Handle, area: float) -> float:
    """Give the share of the page that its largest image covers."""
    images = drawn(page, frozenset({pdfium.FPDF_PAGEOBJ_IMAGE}), in_forms=True)
    shares = ((right - left) * (top - bottom) / area for _, (left, bottom, right, top) in images)
    return min(max(shares, default=0.0), 1.0)


@lru_cache(MOST_FONTS)
def _font(name: bytes) -> str:
    """Give the name without the letters that tell subsets apart."""
    return name.decode("latin-1").split("+")[-1]


def _turns(degrees: float) -> int | None:
    """Count quarter turns against the clock; None for what stands askew."""
    quarter = round(degrees / 90)
    return quarter % 4 if abs(degrees - 90 * quarter) < 3 else None


def _upright(crop: tuple[float, float, float, float], turns: int) -> _Upright:
    """Turn the page so that its text is upright.

    The page's own rotation does not matter: only how the text stands on the sheet does.
    """
    left, bottom, right, top = crop
    width, height = right - left, top - bottom
    match turns:
        case 1:
            return _Upright(height, width, True, 1, -bottom, 1, -left)
        case 2:
            return _Upright(width, height, False, -1, right, 1, -bottom)
        case 3:
            return _Upright(height, width, True, -1, top, -1, right)
        case _:
            return _Upright(width, height, False, 1, -left, -1, top)


def _characters(text: Handle, styles: Sequence[_Style], turns: int, upright: _Upright) -> Iterator[_Character | None]:
    """Give characters that stand upright, and None where a space or something else parts them."""
    _, _, is_sideways, x_sign, x_from, y_sign, y_from = upright
    for index, style in enumerate(styles):
        code = code_of(text, index)
        sign = _sign(text, index, code, style) if style.codes else None
        if sign is None and (code in _SPACES or (code < 32 and code not in _HYPHENS)):
            yield None
            continue
        place = place_of(text, index) if style.turns == turns else None
        if place is None:  # stamps in the margin, labels of axes
            continue
        left, right, bottom, top, x, y = place
        if is_sideways:
            left, right, bottom, top, x, y = bottom, top, left, right, y, x
        if x_sign < 0:
            left, right = right, left
        x0 = x_sign * left + x_from
        letter = _letter(code) if sign is None else sign.translate(_SIGNS)
        ink: tuple[float, float] | None = None
        if letter in TALL:
            over, under = sorted((y_sign * top + y_from, y_sign * bottom + y_from))
            hangs = under - (y_sign * y + y_from) > 0.5 * style.size  # as a bracket that is but a little taller
            if hangs or letter in _HANGING or under - over > 1.25 * style.size:
                ink = over, under
        yield _Character(
            letter,
            x0,
            max(x_sign * right + x_from, x0 + 0.1),
            y_sign * y + y_from,
            x_sign * x + x_from,
            style.size,
            style.font,
            ink,
        )


def _sign(text: Handle, index: int, code: int, style: _Style) -> str | None:
    """Give the sign of one of TeX's fonts whose name PDFium does not know; None for spaces it put in itself."""
    sign = style.codes.get(code)
    return None if sign is None or (code <= 32 and is_generated(text, index)) else sign


@lru_cache(MOST_LETTERS)
def _letter(code: int) -> str:
    return ("-" if code in _HYPHENS else chr(0xFFFD if 0xD800 <= code <= 0xDFFF else code)).translate(_SIGNS)


def _accented(characters: Iterator[_Character | None]) -> Iterator[_Character | None]:
    """Put accents that are printed over a letter onto it: TeX's older fonts have no letters with accents."""
    accent: _Character | None = None
    for character in characters:
        if accent is not None:
            if character is None:
                continue
            letter = _composed(accent, character)
            if letter is None:
                yield accent
            yield letter or character
            accent = None
        elif character is not None and character.text in _ACCENTS:
            accent = character
        else:
            yield character
    if accent is not None:
        yield accent


def _composed(accent: _Character, letter: _Character) -> _Character | None:
    middle = (accent.x0 + accent.x1) / 2
    if not letter.text.isalpha() or not letter.x0 - 1 < middle < letter.x1 + 1:
        return None
    text = unicodedata.normalize("NFC", letter.text.translate(_DOTLESS) + _ACCENTS[accent.text])
    return letter._replace(text=text) if len(text) == 1 else None


def _words(characters: Iterator[_Character | None]) -> Iterator[tuple[Run, ...]]:
    word: list[_Character] = []
    for character in [*characters, None]:
        if word and (character is None or _is_apart(word[-1], character)):
            if not "".join([c.text for c in word]).isspace():
                yield tuple(_runs(word))
            word = []
        if character is not None:
            word.append(character)


def _is_apart(last: _Character, character: _Character) -> bool:
    size = max(last.size, character.size)
    gap = character.origin - last.x1
    if gap < -2.2 * size or abs(character.base - last.base) > 0.75 * size:
        return True
    return gap > GAP * size and (
        last.font != character.font or not MONOSPACED.search(last.font) or character.origin - last.origin > PITCH * size
    )


def _runs(word: list[_Character]) -> Iterator[Run]:
    start = 0
    first = word[0]
    for end, character in enumerate(word):
        if end and _is_other(first, character):
            yield _run(word[start:end])
            start, first = end, character
    yield _run(word[start:] if start else word)


def _run(part: list[_Character]) -> Run:
    first = part[0]
    lefts, rights = [c.x0 for c in part], [c.x1 for c in part]
    return Run(
        text="".join([c.text for c in part]),
        x0=min(lefts),
        x1=max(rights),
        base=first.base,
        size=first.size,
        font=first.font,
        ink=first.ink,
    )


def _is_other(first: _Character, character: _Character) -> bool:
    """Whether a character begins a run: set in another way, or a sign with a height of its own."""
    return (
        character.base != first.base
        or character.size != first.size
        or character.font != first.font
        or first.ink is not None
        or character.ink is not None
    )


def _drawn(page: Handle, upright: _Upright) -> tuple[tuple[Rule, ...], tuple[Rule, ...], tuple[Box, ...]]:
    """Give horizontal rules of any length, vertical ones, and the places of pictures that do not fill the page."""
    bars: list[Rule] = []
    verticals: list[Rule] = []
    pictures: list[Box] = []
    for kind, edges in drawn(page, _NOT_TEXT):
        x0, y0, x1, y1 = upright.box(*edges)
        wide, high = x1 - x0, y1 - y0
        if kind == pdfium.FPDF_PAGEOBJ_PATH:
            if high <= THIN and wide > high:
                bars.append(Rule(start=x0, end=x1, at=(y0 + y1) / 2))
            elif wide <= THIN and high > 4:
                verticals.append(Rule(start=y0, end=y1, at=(x0 + x1) / 2))
        elif wide > 30 and high > 20 and not (wide >= 0.95 * upright.width and high >= 0.95 * upright.height):
            pictures.append(Box(x0=x0, y0=y0, x1=x1, y1=y1))
    return tuple(bars), tuple(verticals), tuple(pictures)
