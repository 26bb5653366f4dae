"""Take the LaTeX of formulas from a second reader of the same page, line by line, where no word gets lost by it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ml_intern.literature.layout.lines import Piece, piece_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A piece of text of the second reader, `$…$` around its formulas; origin top left, unit 1/72 inch."""

    text: str
    x0: float
    x1: float
    y0: float
    y1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Covered:
    piece: Piece
    y0: float
    y1: float


def with_latex(pieces: Sequence[Piece], formulas: Sequence[Formula]) -> list[Piece]:
    """Give the lines with LaTeX where it keeps their words; fragments that a formula took in are left out."""
    if not any("$" in formula.text for formula in formulas):
        return list(pieces)
    pieces = _joined(pieces, formulas)
    own = _assigned(pieces, formulas)
    written = {id(piece): found for piece in pieces if (found := _written(piece, own.get(id(piece), []))) is not None}
    covered = list(written.values())
    kept: list[Piece] = []
    for piece in pieces:
        if (line := written.get(id(piece))) is not None:
            kept.append(line.piece)
        elif not _is_taken_in(piece, covered):
            kept.append(piece)
    return kept


def _joined(pieces: Sequence[Piece], formulas: Sequence[Formula]) -> list[Piece]:
    """Join pieces on one baseline that the second reader sees as one formula: roots and fractions part a line."""
    joined = list(pieces)
    for formula in formulas:
        if "$" not in formula.text or any(_is_on(piece, formula) for piece in joined):
            continue
        inside = [p for p in joined if p.x0 > formula.x0 - 3 and p.x1 < formula.x1 + 3 and _common(p, formula) > 0.4]
        if len(inside) < 2:
            continue
        base = max(inside, key=lambda piece: piece.width).base
        line = sorted((p for p in inside if abs(p.base - base) < 1), key=lambda piece: piece.x0)
        if len(line) > 1:
            joined = [piece for piece in joined if piece not in line]
            joined.append(piece_of([word for piece in line for word in piece.words]))
    return joined


def _assigned(pieces: Sequence[Piece], formulas: Sequence[Formula]) -> dict[int, list[Formula]]:
    """Give each formula to the one line, by its identity, that it shares most height with."""
    own: dict[int, list[Formula]] = {}
    for formula in formulas:
        top, bottom = formula.y0, formula.y1
        lines = [piece for piece in pieces if piece.y0 < bottom and piece.y1 > top and _is_on(piece, formula)]
        if lines:
            own.setdefault(id(max(lines, key=lambda piece: _common(piece, formula))), []).append(formula)
    return own


def _common(piece: Piece, formula: Formula) -> float:
    """Give the height that both share, as a part of all that they cover."""
    return (min(piece.y1, formula.y1) - max(piece.y0, formula.y0)) / (
        max(piece.y1, formula.y1) - min(piece.y0, formula.y0)
    )


def _written(piece: Piece, formulas: Sequence[Formula]) -> _Covered | None:
    """Give `piece` as the second reader has it, unless that loses words of four letters or a fifth of the signs."""
    beside = sorted(formulas, key=lambda formula: formula.x0)
    if not any("$" in formula.text for formula in beside):
        return None
    text = beside[0].text
    for last, formula in pairwise(beside):
        text += (" " if formula.x0 - last.x1 > 1.2 else "") + formula.text
    folded = _folded(text)
    words = re.findall(r"[A-Za-z]{4,}", piece.plain)
    signs = len(_folded(piece.plain))
    if not all(_folded(word) in folded for word in words) or not 0.8 * signs <= len(folded) <= 1.4 * signs + 8:
        return None
    return _Covered(
        piece=replace(piece, text=re.sub(r"\s+", " ", text).strip()),
        y0=min(f.y0 for f in beside),
        y1=max(f.y1 for f in beside),
    )


def _is_on(piece: Piece, formula: Formula) -> bool:
    common = min(piece.y1, formula.y1) - max(piece.y0, formula.y0)
    if common <= 0.4 * min(piece.y1 - piece.y0, max(formula.y1 - formula.y0, 1)):
        return False
    return formula.x0 > piece.x0 - 5 and formula.x1 < piece.x1 + 9


def _is_taken_in(piece: Piece, covered: Sequence[_Covered]) -> bool:
    """Whether a small piece, such as the limit of a sum, stands within a line that already has it."""
    if not (piece.math > 0.55 or len(piece.plain) <= 3) or len(piece.plain) > 24:
        return False
    middle, own = (piece.y0 + piece.y1) / 2, _folded(piece.plain)
    return any(
        piece.x0 > line.piece.x0 - 3
        and piece.x1 < line.piece.x1 + 3
        and line.y0 - 9 < middle < line.y1 + 9
        and own in _folded(line.piece.text)
        for line in covered
    )


def _folded(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", re.sub(r"\\[a-zA-Z]+", "", text.lower()))
