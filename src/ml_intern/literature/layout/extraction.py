"""Get words, rules and pictures of each page out of a PDF with PDFium, turned so that the text stands upright."""

from __future__ import annotations

import ctypes
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]

from ml_intern.literature.document import Box
from ml_intern.literature.layout.page import RawPage, Rule, Run
from ml_intern.literature.layout.symbols import ADOBE_PIECES, OPERATORS, ROOT, TALL, codes

Point: TypeAlias = Callable[[float, float], tuple[float, float]]

GAP = 0.21
"""Distance, in units of the font size, from which two characters belong to two words."""
THIN = 2.6
"""Height or width up to which a path is a rule."""
LONG = 8.0
"""Length from which a rule can be one of a table or above footnotes."""
_SPACES = frozenset(map(ord, " \r\n\t\v\f\u00a0\u2002\u2003\u2009\u200a"))
_HYPHENS = frozenset({0x02, 0xFFFE})
"""What PDFium writes for a hyphen at the end of a line, by its version."""
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


@dataclass(frozen=True, slots=True)
class _Character:
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


@dataclass(slots=True)
class _Reader:
    """The characters of one page. PDFium answers into buffers that are made once."""

    page: Any
    text: Any
    numbers: list[ctypes.c_double] = field(default_factory=lambda: [ctypes.c_double() for _ in range(6)])
    styles: dict[int, _Style] = field(default_factory=dict[int, _Style])

    def style(self, index: int) -> _Style:
        """Give font, size and direction; asked once for each text object, which most characters share."""
        drawn = pdfium.FPDFText_GetTextObject(self.text.raw, index)
        key = ctypes.addressof(drawn.contents) if drawn else -1 - index
        known = self.styles.get(key)
        if known is None:
            known = self.styles[key] = self._ask(index)
        return known

    def _ask(self, index: int) -> _Style:
        name, flags, matrix = ctypes.create_string_buffer(128), ctypes.c_int(), pdfium.FS_MATRIX()
        pdfium.FPDFText_GetFontInfo(self.text.raw, index, name, 128, flags)
        size = pdfium.FPDFText_GetFontSize(self.text.raw, index)
        turns: int | None = 0
        # programs that save a PDF anew may set size 1 and put the size into the matrix
        if pdfium.FPDFText_GetMatrix(self.text.raw, index, matrix):
            size = size * math.hypot(matrix.c, matrix.d) or size
            turns = _turns(math.degrees(math.atan2(matrix.b, matrix.a)))
        font = name.value.decode("latin-1").split("+")[-1]
        return _Style(font, round(size, 2), turns, codes(font))

    def sign(self, index: int, code: int, style: _Style) -> str | None:
        """Give the sign of one of TeX's fonts whose name PDFium does not know; None for spaces it put in itself."""
        sign = style.codes.get(code)
        if sign is None or (code <= 32 and pdfium.FPDFText_IsGenerated(self.text.raw, index)):
            return None
        return sign

    def place(self, index: int, point: Point) -> tuple[float, float, float, float, float, float] | None:
        """Give left, right, baseline, origin, top and bottom in the turned page."""
        left, right, bottom, top, x, y = self.numbers
        if not pdfium.FPDFText_GetCharBox(self.text.raw, index, left, right, bottom, top):
            return None
        pdfium.FPDFText_GetCharOrigin(self.text.raw, index, x, y)
        (ax, ay), (bx, by) = point(left.value, bottom.value), point(right.value, top.value)
        origin, base = point(x.value, y.value)
        return min(ax, bx), max(ax, bx), base, origin, min(ay, by), max(ay, by)


def read_page(page: Any) -> RawPage:
    """Read one page of an open document."""
    reader = _Reader(page, page.get_textpage())
    styles = [reader.style(index) for index in range(reader.text.count_chars())]
    directions = Counter(style.turns for style in styles)
    directions.pop(None, None)
    turns = directions.most_common(1)[0][0] if directions else 0
    width, height, point = _turned(page, turns or 0)
    words = tuple(_words(_accented(_characters(reader, styles, turns or 0, point))))
    bars, verticals, pictures = _drawn(page, point, width, height)
    return RawPage(
        width=width,
        height=height,
        words=words,
        horizontals=tuple(rule for rule in bars if rule.end - rule.start > LONG),
        bars=bars,
        verticals=verticals,
        pictures=pictures,
        text=str(reader.text.get_text_range()),
        image=_largest_image(page, width * height),
    )


def _largest_image(page: Any, area: float) -> float:
    """Give the share of the page that its largest image covers."""
    shares = [0.0]
    for drawn in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=2):
        try:
            left, bottom, right, top = drawn.get_bounds()
        except pypdfium2.PdfiumError:
            continue
        shares.append((right - left) * (top - bottom) / area)
    return min(max(shares), 1.0)


def _turns(degrees: float) -> int | None:
    """Count quarter turns against the clock; None for what stands askew."""
    quarter = round(degrees / 90)
    return quarter % 4 if abs(degrees - 90 * quarter) < 3 else None


def _turned(page: Any, turns: int) -> tuple[float, float, Point]:
    """Give the size of the page with its text upright, and how its points move there, y downwards.

    The page's own rotation does not matter: only how the text stands on the sheet does.
    """
    left, bottom, right, top = page.get_cropbox()
    width, height = right - left, top - bottom
    match turns:
        case 1:
            return height, width, lambda x, y: (y - bottom, x - left)
        case 2:
            return width, height, lambda x, y: (right - x, y - bottom)
        case 3:
            return height, width, lambda x, y: (top - y, right - x)
        case _:
            return width, height, lambda x, y: (x - left, top - y)


def _characters(reader: _Reader, styles: Sequence[_Style], turns: int, point: Point) -> Iterator[_Character | None]:
    """Give characters that stand upright, and None where a space or something else parts them."""
    for index, style in enumerate(styles):
        code = pdfium.FPDFText_GetUnicode(reader.text.raw, index)
        sign = reader.sign(index, code, style) if style.codes else None
        if sign is None and (code in _SPACES or (code < 32 and code not in _HYPHENS)):
            yield None
            continue
        place = reader.place(index, point) if style.turns == turns else None
        if place is None:  # stamps in the margin, labels of axes
            continue
        x0, x1, base, origin, top, bottom = place
        text = (sign or ("-" if code in _HYPHENS else chr(0xFFFD if 0xD800 <= code <= 0xDFFF else code))).translate(
            _SIGNS
        )
        has_ink = text in TALL and (text in _HANGING or bottom - top > 1.25 * style.size)
        yield _Character(
            text,
            x0,
            max(x1, x0 + 0.1),
            base,
            origin,
            style.size,
            style.font,
            (top, bottom) if has_ink else None,
        )


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
    return replace(letter, text=text) if len(text) == 1 else None


def _words(characters: Iterator[_Character | None]) -> Iterator[tuple[Run, ...]]:
    word: list[_Character] = []
    for character in [*characters, None]:
        if word and (character is None or _is_apart(word[-1], character)):
            if any(not c.text.isspace() for c in word):
                yield tuple(_runs(word))
            word = []
        if character is not None:
            word.append(character)


def _is_apart(last: _Character, character: _Character) -> bool:
    size = max(last.size, character.size)
    gap = character.origin - last.x1
    return gap > GAP * size or gap < -2.2 * size or abs(character.base - last.base) > 0.75 * size


def _runs(word: list[_Character]) -> Iterator[Run]:
    start = 0
    for end in range(1, len(word) + 1):
        first = word[start]
        if end == len(word) or _is_other(first, word[end]):
            part = word[start:end]
            yield Run(
                text="".join(c.text for c in part),
                x0=min(c.x0 for c in part),
                x1=max(c.x1 for c in part),
                base=first.base,
                size=first.size,
                font=first.font,
                ink=first.ink,
            )
            start = end


def _is_other(first: _Character, character: _Character) -> bool:
    """Whether a character begins a run: set in another way, or a sign with a height of its own."""
    if first.ink is not None or character.ink is not None:
        return True
    return (character.size, character.base, character.font) != (first.size, first.base, first.font)


def _drawn(
    page: Any,
    point: Point,
    width: float,
    height: float,
) -> tuple[tuple[Rule, ...], tuple[Rule, ...], tuple[Box, ...]]:
    """Give horizontal rules of any length, vertical ones, and the places of pictures that do not fill the page."""
    bars: list[Rule] = []
    verticals: list[Rule] = []
    pictures: list[Box] = []

    def fills(wide: float, high: float) -> bool:
        return wide >= 0.95 * width and high >= 0.95 * height

    for drawn in page.get_objects(max_depth=1):
        try:
            left, bottom, right, top = drawn.get_bounds()
        except pypdfium2.PdfiumError:
            continue
        (ax, ay), (bx, by) = point(left, bottom), point(right, top)
        box = Box(x0=min(ax, bx), y0=min(ay, by), x1=max(ax, bx), y1=max(ay, by))
        wide, high = box.x1 - box.x0, box.y1 - box.y0
        if drawn.type == pdfium.FPDF_PAGEOBJ_PATH:
            if high <= THIN and wide > high:
                bars.append(Rule(start=box.x0, end=box.x1, at=(box.y0 + box.y1) / 2))
            elif wide <= THIN and high > 4:
                verticals.append(Rule(start=box.y0, end=box.y1, at=(box.x0 + box.x1) / 2))
        elif drawn.type != pdfium.FPDF_PAGEOBJ_TEXT and wide > 30 and high > 20 and not fills(wide, high):
            pictures.append(box)
    return tuple(bars), tuple(verticals), tuple(pictures)
