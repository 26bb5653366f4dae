"""Find formulas that stand apart from the text, and write them as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from ml_intern.literature.layout.composing import Sign, composed, rows_of, written
from ml_intern.literature.layout.fonts import MONOSPACED
from ml_intern.literature.layout.lines import Piece, piece_of
from ml_intern.literature.layout.marks import CAPTION, EQUATION_NUMBER, ITEM
from ml_intern.literature.layout.page import ASCENT, DESCENT, Rule, Run, Word
from ml_intern.literature.layout.symbols import (
    ACCENTS,
    LIMITED,
    NAMES,
    OPERATORS,
    PIECES,
    RELATION,
    ROOT,
    latex,
)

WORDS = 4
"""Words of three letters of a line that is text."""
INDENT = 14.0
"""Distance from the left edge of a column from which a line may be a formula, in 1/72 inch."""
SHARE, SURE = 0.4, 0.75
"""Share of the characters outside words from which lines are a formula, and from which they are one anywhere."""
SMALLEST = 0.8
"""Share of the size of the text that the largest signs of a formula have at least; labels in figures are smaller."""
THINNEST = 0.3
"""Height of a gap between two lines of a formula, at least, in 1/72 inch."""
_PLAIN = re.compile(r"""["'(]*([A-Za-z]{3,})(?:-[A-Za-z]+)*[.,;:?!)"']*""")
_WORD = re.compile(r"[A-Za-z]{3,}(?![A-Za-z(])")
"""What a bracket follows is a function."""


def with_displays(
    pieces: Sequence[Piece], bars: Sequence[Rule], gutter: float | None, size: float, lead: float
) -> list[Piece]:
    """Give the lines of a page with each displayed formula as one piece a line of it, its number behind it."""
    kept: list[Piece] = []
    for column in _columns(pieces, gutter):
        text, others = _divided([part for piece in column for part in _without_number(piece, column)], lead)
        left = min((piece.x0 for piece in text), default=0.0)
        for region in _regions(others, lead):
            if _is_formula(region, text, left, size):
                kept += _formulas(region, bars)
            else:
                kept += region
        kept += text
    return kept


def _columns(pieces: Sequence[Piece], gutter: float | None) -> list[list[Piece]]:
    if gutter is None:
        return [list(pieces)]
    left = [piece for piece in pieces if piece.x0 < gutter]
    return [left, [piece for piece in pieces if piece.x0 >= gutter]]


def _divided(column: Sequence[Piece], lead: float) -> tuple[list[Piece], list[Piece]]:
    """Part lines of text from others; the short last line of a paragraph is text by the line right above it."""
    text: list[Piece] = []
    others: list[Piece] = []
    lines = [piece for piece in column if _is_text(piece)]
    left, right = min((p.x0 for p in lines), default=0.0), max((p.x1 for p in lines), default=0.0)
    for piece in sorted(column, key=lambda piece: piece.base):
        above = text[-1] if text else None
        follows = above is not None and piece.base - above.base < 1.25 * lead and abs(piece.size - above.size) < 0.6
        is_full = above is not None and above.x1 > right - 0.15 * (right - left)
        ends = follows and is_full and abs(piece.x0 - left) < 3
        (text if _is_text(piece) or ends or _is_rest(piece, column, left) else others).append(piece)
    return text, others


def _is_rest(piece: Piece, column: Sequence[Piece], left: float) -> bool:
    """Whether a piece is the last word of a paragraph: alone at the left edge, with nothing that a formula has."""
    if abs(piece.x0 - left) > 3 or piece.math > 0.3 or RELATION.search(piece.plain):
        return False
    return not any(o is not piece and min(o.y1, piece.y1) - max(o.y0, piece.y0) > 0.5 * piece.size for o in column)


def _without_number(piece: Piece, column: Sequence[Piece]) -> list[Piece]:
    """Part the number from a formula so long that it stands close to it."""
    last = piece.words[-1]
    right = max(other.x1 for other in column)
    if len(piece.words) < 2 or not EQUATION_NUMBER.fullmatch(last.text) or piece.x1 < right - 3 or _is_text(piece):
        return [piece]
    gap = last.x0 - max(word.x1 for word in piece.words[:-1])
    return [piece_of(piece.words[:-1]), piece_of([last])] if gap > 0.2 * last.size else [piece]


def _is_text(piece: Piece) -> bool:
    """Whether a line has words as sentences have, or is what a formula never is."""
    if CAPTION.match(piece.plain) or ITEM.match(piece.plain):
        return True
    words = [match[1] for word in piece.words if not word.is_math and (match := _PLAIN.fullmatch(word.text))]
    return sum(word not in NAMES for word in words) >= WORDS


def _extent(piece: Piece) -> tuple[float, float]:
    reaches = [_reach(word) for word in piece.words]
    return min([piece.y0, *(top for top, _ in reaches)]), max([piece.y1, *(bottom for _, bottom in reaches)])


def _regions(pieces: Sequence[Piece], lead: float) -> Iterator[list[Piece]]:
    """Group lines that follow close upon each other."""
    region: list[Piece] = []
    reach = 0.0
    for piece in sorted(pieces, key=lambda piece: _extent(piece)[0]):
        top, bottom = _extent(piece)
        if region and top - reach > 0.5 * lead:
            yield region
            region = []
        reach = max(reach, bottom) if region else bottom
        region.append(piece)
    if region:
        yield region


def _is_formula(region: Sequence[Piece], text: Sequence[Piece], left: float, size: float) -> bool:
    """Whether a region is a formula on lines of its own: signs of mathematics, a relation, and no text beside it."""
    body = [piece for piece in region if not EQUATION_NUMBER.fullmatch(piece.plain.strip())]
    if not body or not RELATION.search("".join(piece.plain for piece in body)):
        return False
    if max(piece.size for piece in body) < SMALLEST * size or any("\ufffd" in piece.plain for piece in body):
        return False
    share = _share(body)
    if share < SHARE or (min(piece.x0 for piece in body) < left + INDENT and share < SURE):
        return False
    if MONOSPACED.search(body[0].words[0].font):
        return False
    main = max(body, key=lambda piece: (piece.size, piece.width))
    return not any(min(main.y1, other.y1) - max(main.y0, other.y0) > 0.2 * main.size for other in text)


def _share(body: Sequence[Piece]) -> float:
    """Give the share of characters that belong to no word of three letters, but for those in fonts of formulas."""
    words = [word for piece in body for word in piece.words]
    plain = sum(
        len(found) for word in words if not word.is_math for found in _WORD.findall(word.text) if found not in NAMES
    )
    return 1 - plain / sum(len(word.text) for word in words)


def _formulas(region: Sequence[Piece], bars: Sequence[Rule]) -> Iterator[Piece]:
    numbers = [piece for piece in region if EQUATION_NUMBER.fullmatch(piece.plain.strip())]
    words = [word for piece in region if piece not in numbers for word in piece.words]
    for part, own in _bands(words, sorted(numbers, key=lambda number: number.base)):
        yield from _formula(part, own, bars)


def _bands(words: Sequence[Word], numbers: Sequence[Piece]) -> Iterator[tuple[Sequence[Word], Sequence[Piece]]]:
    """Part the lines of a display that have numbers of their own; a line without one goes with the number below it."""
    rest = list(words)
    for place, (number, following) in enumerate(pairwise(numbers)):
        cut = _emptiest(rest, number.base, following.base)
        above = [word for word in rest if sum(_reach(word)) < 2 * cut]
        if not above or len(above) == len(rest):  # as where one line has two
            yield rest, numbers[place:]
            return
        yield above, [number]
        rest = [word for word in rest if sum(_reach(word)) >= 2 * cut]
    yield rest, numbers[-1:]


def _emptiest(words: Sequence[Word], above: float, below: float) -> float:
    """Give the middle of the first stretch between two baselines that the fewest words reach into."""
    reaches = [_reach(word) for word in words]
    below = min(below, max(top for top, _ in reaches))  # a number may stand under a line that is too long
    edges = sorted({above, below, *(edge for reach in reaches for edge in reach if above < edge < below)})
    stretches = [
        (sum(top < (start + end) / 2 < bottom for top, bottom in reaches), (start + end) / 2)
        for start, end in pairwise(edges)
        if end - start > THINNEST
    ]
    return min(stretches, default=(0, (above + below) / 2))[1]


def _reach(word: Word) -> tuple[float, float]:
    tall = [run.ink for run in word.runs if run.ink is not None]
    return min([word.y0, *(top for top, _ in tall)]), max([word.y1, *(bottom for _, bottom in tall)])


def _formula(words: Sequence[Word], numbers: Sequence[Piece], bars: Sequence[Rule]) -> Iterator[Piece]:
    reaches = [_reach(word) for word in words]
    top, bottom = min(reach[0] for reach in reaches), max(reach[1] for reach in reaches)
    left, right = min(w.x0 for w in words), max(w.x1 for w in words)
    own = [bar for bar in bars if top - 4 < bar.at < bottom + 4 and left - 12 < bar.start and bar.end < right + 12]
    parts = composed(_signs(words), own)
    rows = [(written(row), row) for row in rows_of(parts)]
    rows = [(text, row) for text, row in rows if text]
    if len(numbers) < len(rows) and len(rows) > 1:
        joined = r"\begin{aligned}" + r" \\ ".join(text for text, _ in rows) + r"\end{aligned}"
        rows = [(joined, parts)]
    whole = piece_of(sorted(words, key=lambda word: word.x0))
    for text, row in rows:
        yield _piece(whole, text, row, numbers, is_only=len(rows) == 1)


def _piece(whole: Piece, text: str, row: Sequence[Sign], numbers: Sequence[Piece], *, is_only: bool) -> Piece:
    top, bottom = min(part.top for part in row), max(part.bottom for part in row)
    own = [n for n in numbers if is_only or top - 2 < (n.y0 + n.y1) / 2 < bottom + 2]
    number = "".join(f" {n.plain.strip()}" for n in own)
    return replace(
        whole,
        text=f"${text}${number}",
        x0=min(part.x0 for part in row),
        x1=max([part.x1 for part in row] + [n.x1 for n in own]),
        y0=top,
        y1=bottom,
        base=max(part.base for part in row if part.size >= 0.86 * whole.size)
        if any(part.size >= 0.86 * whole.size for part in row)
        else bottom,
        bold=0.0,
        math=1.0,
        is_formula=True,
    )


def _signs(words: Sequence[Word]) -> list[Sign]:
    signs = [sign for word in words for run in word.runs for sign in _of_run(run)]
    return _whole_brackets(signs)


def _of_run(run: Run) -> Iterator[Sign]:
    """Part a run into words and single signs; within a run all characters are taken to be of one width."""
    step = (run.x1 - run.x0) / max(len(run.text), 1)
    for match in re.finditer(r"[A-Za-z]+(?:-[a-z]+)*|[\d.,]*\d|.", run.text):
        text = match[0]
        x0, x1 = run.x0 + match.start() * step, run.x0 + match.end() * step
        top, bottom = run.ink or (run.base - ASCENT * run.size, run.base + DESCENT * run.size)
        is_tall = run.ink is not None
        is_operator = text in OPERATORS or text in LIMITED
        yield Sign(
            latex=_accent(text) or latex(text, run.font),
            x0=x0,
            x1=x1,
            top=top,
            bottom=bottom,
            base=run.base,
            size=run.size,
            sign=text if len(text) == 1 else "",
            middle=(top + bottom) / 2 if is_tall and text != ROOT and text not in ACCENTS else None,
            is_operator=is_operator,
            is_accent=_accent(text) is not None,
            is_text=len(text) > 1 and text.isalpha(),
        )


def _accent(text: str) -> str | None:
    if text == "\u0338":
        return r"\not"
    return f"\\{ACCENTS[text]}" if text in ACCENTS else None


def _whole_brackets(signs: Sequence[Sign]) -> list[Sign]:
    """Put the parts of tall brackets together."""
    whole: list[Sign] = []
    for sign in sorted(signs, key=lambda sign: sign.top):
        if sign.sign not in PIECES:
            whole.append(sign)
            continue
        bracket = PIECES[sign.sign]
        place = next(
            (
                n
                for n, o in enumerate(whole)
                if o.sign == bracket and abs(o.x0 - sign.x0) < 0.4 * sign.size and sign.top - o.bottom < 3
            ),
            None,
        )
        if place is None:
            whole.append(replace(sign, sign=bracket, latex=latex(bracket, "")))
        else:
            bottom = max(whole[place].bottom, sign.bottom)
            whole[place] = replace(whole[place], bottom=bottom, middle=(whole[place].top + bottom) / 2)
    return whole
