"""Divide a page into what is read in order, footnotes, and what is no text: running heads, labels in figures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ml_intern.literature.document import Box
from ml_intern.literature.layout.displays import with_displays
from ml_intern.literature.layout.figures import with_figures
from ml_intern.literature.layout.fonts import Fonts, family
from ml_intern.literature.layout.gutters import gutters_of
from ml_intern.literature.layout.justified import unbroken
from ml_intern.literature.layout.latex import Formula, with_latex
from ml_intern.literature.layout.lines import Piece, pieces, without
from ml_intern.literature.layout.marks import CAPTION
from ml_intern.literature.layout.order import Lines, Placed, blocks, reading_order
from ml_intern.literature.layout.page import RawPage, Rule, Word, word_of
from ml_intern.literature.layout.ruled import tables

TOP, BOTTOM = 0.085, 0.915
"""Shares of the height above and below which running heads and page numbers stand."""
REPEATED = 3
"""Pages on which a line stands at the edge before it is a running head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A page taken apart into words and lines. `gutter` is the middle between two columns, if there are two."""

    number: int
    raw: RawPage
    words: tuple[Word, ...]
    pieces: tuple[Piece, ...]
    gutter: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A page in the order of reading, its footnotes apart; `margin` gives the left edge of a block's column."""

    number: int
    placed: tuple[Placed, ...]
    footnotes: tuple[Lines, ...]
    margins: tuple[float, ...]


def sheets(pages: Sequence[RawPage], fonts: Fonts) -> list[Sheet]:
    """Give every page with its lines, running heads left out."""
    words = [tuple(word_of(runs, fonts) for runs in page.words) for page in pages]
    repeated = _running_heads(pages, words)
    gutters = gutters_of(words, [page.width for page in pages], fonts.size)
    found: list[Sheet] = []
    for number, (page, here, strip) in enumerate(zip(pages, words, gutters, strict=True), 1):
        kept = tuple(p for p in pieces(here, strip) if not _is_running(p, page, repeated))
        kept = _without_number(kept, page)
        found.append(Sheet(number=number, raw=page, words=here, pieces=kept, gutter=strip.middle if strip else None))
    return found


def _running_heads(pages: Sequence[RawPage], words: Sequence[Sequence[Word]]) -> frozenset[str]:
    counts = Counter[str]()
    for page, here in zip(pages, words, strict=True):
        edge = [w for w in here if w.y1 < TOP * page.height or w.y0 > BOTTOM * page.height]
        counts.update({_numberless(piece.plain) for piece in pieces(edge, None)})
    return frozenset(text for text, count in counts.items() if count >= REPEATED)


def _numberless(text: str) -> str:
    return re.sub(r"\d+", "#", text)


def _is_running(piece: Piece, page: RawPage, repeated: frozenset[str]) -> bool:
    if piece.y1 >= TOP * page.height and piece.y0 <= BOTTOM * page.height:
        return False
    return _numberless(piece.plain) in repeated or re.fullmatch(r"[\divxl]{1,4}", piece.plain.strip()) is not None


def _without_number(kept: tuple[Piece, ...], page: RawPage) -> tuple[Piece, ...]:
    """Leave out a number in the middle well below all text: that of the page, where the margin is large."""
    last = max(kept, key=lambda piece: piece.y0, default=None)
    if last is None or not last.plain.isdecimal() or abs(last.x0 + last.x1 - page.width) > 0.1 * page.width:
        return kept
    rest = tuple(piece for piece in kept if piece is not last)
    return rest if all(piece.y1 < last.y0 - 0.8 * last.size for piece in rest) else kept


def usual_lead(found: Iterable[Sheet], size: float) -> float:
    """Give the usual distance of two baselines of running text."""
    leads = Counter[float]()
    for sheet in found:
        bases = sorted(piece.base for piece in sheet.pieces if abs(piece.size - size) < 0.3)
        gaps = (below - above for above, below in pairwise(bases))
        leads.update(round(gap, 1) for gap in gaps if 0.9 * size < gap < 1.9 * size)
    return leads.most_common(1)[0][0] if leads else 1.2 * size


def read_sheet(sheet: Sheet, fonts: Fonts, lead: float, formulas: Sequence[Formula]) -> Reading:
    """Order what stands on a page."""
    captions = [piece for piece in sheet.pieces if CAPTION.match(piece.plain)]
    of_tables = [piece for piece in captions if piece.plain.lower().startswith("table")]
    found = tables(sheet.words, sheet.raw.horizontals, sheet.raw.verticals, of_tables)
    taken = frozenset(id(word) for table in found for word in table.words)
    left = [piece for p in sheet.pieces if (piece := without(p, taken)) is not None]
    text = [piece for piece in left if CAPTION.match(piece.plain) or not _is_label(piece, sheet.raw.pictures, fonts)]
    text = unbroken(text, sheet.gutter)
    if not sheet.raw.is_recognised:  # rough heights would make scripts and fractions of any table
        text = with_displays(text, sheet.raw.bars, sheet.gutter, fonts.size, lead)
    text = [*(p for p in text if p.is_formula), *with_latex([p for p in text if not p.is_formula], formulas)]
    notes = _footnotes(text, sheet, fonts.size, [table.box for table in found])
    body = [piece for piece in text if id(piece) not in notes]
    placed = list(with_figures(reading_order([*blocks(body, lead), *found]), sheet.raw.pictures))
    return Reading(
        number=sheet.number,
        placed=tuple(placed),
        footnotes=tuple(blocks([piece for piece in text if id(piece) in notes], 0.9 * lead)),
        margins=tuple(_margin(block, sheet) for block in placed),
    )


def _is_label(piece: Piece, pictures: Sequence[Box], fonts: Fonts) -> bool:
    """Whether a line stands in a picture, or is a short one in a font that the text does not use."""
    families = Counter(family(word.font) for word in piece.words)
    is_foreign = families.most_common(1)[0][0] not in fonts.families
    if not is_foreign and piece.bold > 0.72 and piece.size > fonts.size + 0.9:
        return False  # the title of a section may stand over the empty edge of a picture
    if any(
        piece.x0 > box.x0 - 2 and piece.x1 < box.x1 + 2 and piece.y0 > box.y0 - 3 and piece.y1 < box.y1 + 3
        for box in pictures
    ):
        return True
    return is_foreign and piece.math <= 0.3 and len(piece.plain) < 60 and piece.size < fonts.size + 0.9


def _footnotes(text: Sequence[Piece], sheet: Sheet, size: float, tables: Sequence[Box]) -> frozenset[int]:
    """Give the identities of lines below a short rule in the lower half, if most of them are smaller than the text."""
    notes: set[int] = set()
    for rule in sheet.raw.horizontals:
        if not 25 < rule.end - rule.start < 0.42 * sheet.raw.width or rule.at < 0.45 * sheet.raw.height:
            continue
        if any(box.y0 - 2 <= rule.at <= box.y1 + 2 and rule.start < box.x1 and rule.end > box.x0 for box in tables):
            continue
        below = [piece for piece in text if _is_below(piece, rule, sheet.gutter)]
        small = [piece for piece in below if piece.size < size - 0.6]
        if small and len(small) >= 0.6 * len(below):
            notes |= {id(piece) for piece in below}
    return frozenset(notes) or _small_print(text, sheet, size)


def _small_print(text: Sequence[Piece], sheet: Sheet, size: float) -> frozenset[int]:
    """Give the small lines that end a column of the first page, as addresses of authors do, where no rule is drawn."""
    notes: set[int] = set()
    if sheet.number > 1:
        return frozenset()
    for column in _columns(text, sheet.gutter):
        small: list[Piece] = []
        for piece in sorted(column, key=lambda piece: -piece.base):
            if piece.size >= size - 0.6:
                if small and small[-1].y0 - piece.y1 > 0.3 * size:
                    notes |= {id(line) for line in small}
                break
            small.append(piece)
    return frozenset(notes)


def _columns(text: Sequence[Piece], gutter: float | None) -> list[list[Piece]]:
    if gutter is None:
        return [list(text)]
    return [[p for p in text if p.x1 < gutter + 3], [p for p in text if p.x0 > gutter - 3]]


def _is_below(piece: Piece, rule: Rule, gutter: float | None) -> bool:
    if piece.y0 <= rule.at - 4 or piece.x0 <= rule.start - 6:
        return False
    return gutter is None or (piece.x1 < gutter + 3) == (rule.start < gutter)


def _margin(block: Placed, sheet: Sheet) -> float:
    gutter = sheet.gutter
    left = block.box.x0 if block.box else 0.0
    column = [p.x0 for p in sheet.pieces if gutter is None or (p.x0 >= gutter - 2) == (left >= gutter - 2)]
    return min(column, default=left)
