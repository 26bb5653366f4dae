"""What stands on a page: words with fonts and places, rules and pictures. Origin top left, unit 1/72 inch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ml_intern.literature.document import Box
from ml_intern.literature.layout.fonts import Fonts, is_bold

ASCENT, DESCENT = 0.72, 0.22
"""A line reaches from so much above its baseline to so much below, in units of the font size: real glyph boxes would
make a line of `ace` lower than one of `bdf`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Characters of one font, size and baseline that touch each other.

    `ink` is the top and bottom of a sign that stands for itself, as tall ones do.
    """

    text: str
    x0: float
    x1: float
    base: float
    size: float
    font: str
    ink: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A straight line along an axis: from `start` to `end` at `at` on the other axis."""

    start: float
    end: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPage:
    """A page as the file has it: `words` are runs between spaces, `text` is the library's own plain text.

    `bars` are horizontal rules of any length, as fractions have. `image` is the share of the page, 0 to 1, that its
    largest image covers. Where the text `is_recognised` on a picture, there is one font, and sizes and baselines are
    rough.
    """

    width: float
    height: float
    words: tuple[tuple[Run, ...], ...]
    horizontals: tuple[Rule, ...]
    verticals: tuple[Rule, ...]
    pictures: tuple[Box, ...]
    text: str
    image: float = 0.0
    bars: tuple[Rule, ...] = ()
    is_recognised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Runs without a space between them. `size` and `base` are those of the largest run."""

    runs: tuple[Run, ...]
    text: str
    x0: float
    x1: float
    y0: float
    y1: float
    size: float
    base: float
    font: str
    is_bold: bool
    is_math: bool

    @property
    def middle(self) -> float:
        """Half its height."""
        return (self.y0 + self.y1) / 2


def word_of(runs: Sequence[Run], fonts: Fonts) -> Word:
    """Put runs together; the font is the one most of the characters have."""
    if len(runs) == 1:
        return _word_of_one(runs[0], fonts)
    largest = max(runs, key=lambda run: run.size)
    letters = Counter[str]()
    for run in runs:
        letters[run.font] += len(run.text)
    font = letters.most_common(1)[0][0]
    return Word(
        runs=tuple(runs),
        text="".join(run.text for run in runs),
        x0=min(run.x0 for run in runs),
        x1=max(run.x1 for run in runs),
        y0=min(run.base - ASCENT * run.size for run in runs),
        y1=max(run.base + DESCENT * run.size for run in runs),
        size=largest.size,
        base=largest.base,
        font=font,
        is_bold=is_bold(font),
        is_math=all(fonts.is_math(run.font) for run in runs),
    )


def _word_of_one(run: Run, fonts: Fonts) -> Word:
    """Give what most words are, without looking for the largest."""
    return Word(
        runs=(run,),
        text=run.text,
        x0=run.x0,
        x1=run.x1,
        y0=run.base - ASCENT * run.size,
        y1=run.base + DESCENT * run.size,
        size=run.size,
        base=run.base,
        font=run.font,
        is_bold=is_bold(run.font),
        is_math=fonts.is_math(run.font),
    )
