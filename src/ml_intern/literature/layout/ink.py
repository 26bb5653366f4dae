"""Measure a picture of a page in numpy arrays: signs of a line, and straight rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ml_intern.literature.layout.page import Rule

DARK = 0.6
"""Where between the darkest value of a picture and its paper the ink ends: thin rules are grey."""
TALL = 0.36
"""Share of a line's height above and below its middle that letters take; beyond it stand the neighbours."""
LOW = 0.05
"""Share of a line's height below its middle under which commas and points stand."""
REACH = 3
"""Pixels from a rule at which the page is white above and below."""
SHORTEST = 40
"""Pixels over which a piece of a rule runs on; bars of letters are shorter."""
BROKEN = 16
"""Pixels of a rule that letters beside it may hide."""


def dark_places(picture: Any) -> Any:
    """Give where `picture` (height, width) has ink, as booleans of that shape."""
    import numpy as np  # noqa: PLC0415 - comes with the extra

    pixels: Any = np
    paper, darkest = float(pixels.median(picture)), float(picture.min())
    return picture < darkest + DARK * (paper - darkest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Ink between two white columns, from `x0` to `x1` in pixels: a letter, or some that touch. A comma `is_low`."""

    x0: int
    x1: int
    is_low: bool


def signs(dark: Any, ends: tuple[float, float], middle: float, height: float, slope: float) -> list[Sign]:
    """Give the signs of a line from left to right; it stands around `middle` and falls by `slope` a pixel."""
    import numpy as np  # noqa: PLC0415 - comes with the extra

    pixels: Any = np
    columns: Any = pixels.arange(max(round(ends[0]), 0), min(round(ends[1]), dark.shape[1]))
    centres = middle + slope * (columns - sum(ends) / 2)
    offsets: Any = pixels.arange(-TALL * height, TALL * height)
    rows: Any = pixels.rint(centres[:, None] + offsets).astype(int).clip(0, dark.shape[0] - 1)
    ink = dark[rows, columns[:, None]]  # (columns, rows)
    high = ink[:, offsets < LOW * height].any(axis=1)
    return [
        Sign(x0=int(columns[start]), x1=int(columns[end - 1]) + 1, is_low=not high[start:end].any())
        for start, end in _runs(ink.any(axis=1))
    ]


def horizontals(dark: Any) -> list[Rule]:
    """Give the horizontal rules of a picture in pixels; the vertical ones are those of its transpose."""
    import numpy as np  # noqa: PLC0415 - comes with the extra

    pixels: Any = np
    white = pixels.pad(~dark, ((REACH, REACH), (0, 0)), constant_values=True)
    thin = dark & white[: -2 * REACH] & white[2 * REACH :]
    pieces = (
        Rule(start=start, end=end, at=row)
        for row in pixels.flatnonzero(thin.sum(axis=1) >= SHORTEST).tolist()
        for start, end in _runs(thin[row])
        if end - start >= SHORTEST
    )
    return _joined(pieces)


def _joined(pieces: Iterable[Rule]) -> list[Rule]:
    """Put pieces together that follow each other on almost the same row, as on a page that is a little askew."""
    joined: list[Rule] = []
    for piece in sorted(pieces, key=lambda piece: piece.start):
        for place, rule in enumerate(joined):
            if abs(rule.at - piece.at) <= REACH and piece.start <= rule.end + BROKEN:
                # the row of the end, so that a rule that climbs is followed
                at = piece.at if piece.end > rule.end else rule.at
                joined[place] = Rule(start=rule.start, end=max(rule.end, piece.end), at=at)
                break
        else:
            joined.append(piece)
    return joined


def _runs(chosen: Any) -> Sequence[tuple[int, int]]:
    """Give from where to where an array of booleans is true without a break."""
    import numpy as np  # noqa: PLC0415 - comes with the extra

    pixels: Any = np
    edges = pixels.flatnonzero(pixels.diff(pixels.pad(chosen, 1).astype(pixels.int8))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
