"""Mend justified lines whose words were pulled so far apart that they look like several pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ml_intern.literature.layout.lines import Piece, piece_of
from ml_intern.literature.layout.marks import CAPTION

FEWEST = 5
"""Lines that end at one place before it is the right edge of a justified column, or of a caption as narrow."""


def unbroken(pieces: Sequence[Piece], gutter: float | None) -> list[Piece]:
    """Join neighbours that together reach from the left to the right edge of their column."""
    edges = _edges(pieces)
    lines: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (round(piece.base, 1), piece.x0)):
        last = lines[-1] if lines else None
        if last is not None and _belong(last, piece, edges, gutter):
            lines[-1] = piece_of([*last.words, *piece.words])
        else:
            lines.append(piece)
    return lines


def _edges(pieces: Sequence[Piece]) -> tuple[frozenset[int], frozenset[int]]:
    """Give the places where many lines begin, and where many end."""
    lefts, rights = Counter(round(p.x0) for p in pieces), Counter(round(p.x1) for p in pieces)
    return (
        frozenset(place for place, count in lefts.items() if count >= FEWEST),
        frozenset(place for place, count in rights.items() if count >= FEWEST),
    )


def _belong(last: Piece, piece: Piece, edges: tuple[frozenset[int], frozenset[int]], gutter: float | None) -> bool:
    if abs(last.base - piece.base) > 0.5 or abs(last.size - piece.size) > 0.3 or max(last.math, piece.math) > 0.3:
        return False
    if gutter is not None and last.x1 <= gutter + 3 and piece.x0 >= gutter - 3:
        return False
    if CAPTION.match(piece.plain):
        return False
    if not 0 < piece.x0 - last.x1 < 2.5 * piece.size or len(last.plain) < 3:
        return False
    lefts, rights = edges
    if _is_at(last.x1, rights) and _is_at(piece.x0, lefts):
        return False  # lines of two columns, as captions beside each other have
    return _is_at(last.x0, lefts) and _is_at(piece.x1, rights)


def _is_at(place: float, edges: frozenset[int]) -> bool:
    return any(abs(place - edge) < 2 for edge in edges)
