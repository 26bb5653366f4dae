"""Find the empty strip between two columns of running text, page by page and by what the other pages show."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

from ml_intern.literature.layout.page import Word

FIRST, LAST = 0.42, 0.58
"""Shares of the width between which a gutter is looked for."""
STEP = 0.5
"""Distance of the places that are tried, in 1/72 inch."""
NARROWEST = 5.0
"""Width of a gutter, in 1/72 inch; words of one line stand closer."""
FULL, DENSE = 0.28, 0.7
"""Share of the page that a full line of a column takes, and share of that line its words cover: cells cover less."""
FEWEST_FULL = 2
"""Full lines in each column of a page whose paper has this gutter on other pages."""
FEWEST_ALONE = 12
"""Full lines in each column of a page that has nothing but itself to show its gutter."""


@dataclass(frozen=True, slots=True)
class Gutter:
    """The strip between two columns: from `left` to `right`, in 1/72 inch."""

    left: float
    right: float

    @property
    def middle(self) -> float:
        """What parts the columns."""
        return (self.left + self.right) / 2

    @property
    def width(self) -> float:
        """From the left to the right."""
        return self.right - self.left


def gutters_of(pages: Sequence[Sequence[Word]], widths: Sequence[float], body: float) -> list[Gutter | None]:
    """Give the gutter of every page, None for one column; `body` is the size of running text."""
    clear = [_clear(words, width, body) for words, width in zip(pages, widths, strict=True)]
    known = [gutter for gutter in clear if gutter is not None]
    usual = Gutter(median(g.left for g in known), median(g.right for g in known)) if known else None
    return [
        gutter or _between_bands(words, width, usual) for gutter, words, width in zip(clear, pages, widths, strict=True)
    ]


def _clear(words: Sequence[Word], width: float, body: float) -> Gutter | None:
    """Give the strip that almost no word of the text on a page reaches into."""
    text = [word for word in words if abs(word.size - body) < 1.6]
    left, right = sum(w.x1 < width / 2 for w in text), sum(w.x0 > width / 2 for w in text)
    if len(text) < 60 or min(left, right) < 0.18 * len(text):
        return None
    strip = _emptiest(text, width)
    if strip is None:
        return None
    starts = Counter(round(word.x0) for word in text if word.x0 > strip.middle)
    aligned = max((starts[place] + starts[place + 1] for place in starts), default=0)
    return strip if aligned >= 8 else None


def _emptiest(text: Sequence[Word], width: float) -> Gutter | None:
    lefts, rights = sorted(word.x0 for word in text), sorted(word.x1 for word in text)
    # words that begin before a place, less those that end before it
    crossing = [bisect_left(lefts, place) - bisect_right(rights, place) for place in _places(width)]
    return _widest(crossing, max(1.0, 0.012 * len(text)), width)


def _places(width: float) -> list[float]:
    return [FIRST * width + STEP * n for n in range(int((LAST - FIRST) * width / STEP) + 1)]


def _widest(crossing: Sequence[int], most: float, width: float) -> Gutter | None:
    """Give the widest strip of places that at most `most` lines or words cross."""
    best: Gutter | None = None
    start: float | None = None
    for place, count in zip(_places(width), crossing, strict=True):
        if count > most:
            start = None
            continue
        start = place if start is None else start
        if best is None or place - start > best.width:
            best = Gutter(start, place)
    return best if best is not None and best.width >= NARROWEST else None


def _between_bands(words: Sequence[Word], width: float, usual: Gutter | None) -> Gutter | None:
    """Give the strip that parts full lines of text where titles, captions and tables over both columns cross it."""
    lines = [_Line.of(line) for line in _lines(words)]
    if len(lines) < 2 * FEWEST_FULL:
        return None
    crossing = _crossings(lines, width)
    strip = usual or _widest(crossing, min(crossing) + max(1.0, 0.02 * len(lines)), width)
    if strip is None:
        return None
    left = [part for line in lines if (part := line.full(0.0, strip.middle, width))]
    right = [part for line in lines if (part := line.full(strip.middle, width, width))]
    fewest = min(len(left), len(right))
    if usual is not None:
        return usual if fewest >= FEWEST_FULL else None
    return strip if fewest >= FEWEST_ALONE and 2 * (sum(left) + sum(right)) >= len(words) else None


def _lines(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Give the words of each baseline from left to right."""
    line: list[Word] = []
    for word in sorted(words, key=lambda word: word.base):
        if line and word.base - line[0].base > 1.0:
            yield line
            line = []
        line.append(word)
    if line:
        yield line


@dataclass(frozen=True, slots=True)
class _Line:
    """Stretches of words that stand close: for each its left and right edge, what its words cover, and their number."""

    stretches: tuple[tuple[float, float, float, int], ...]

    @classmethod
    def of(cls, words: Sequence[Word]) -> _Line:
        stretches: list[tuple[float, float, float, int]] = []
        for word in sorted(words, key=lambda word: word.x0):
            if stretches and word.x0 - stretches[-1][1] < NARROWEST:
                x0, x1, covered, count = stretches[-1]
                covered += max(0.0, word.x1 - max(word.x0, x1))
                stretches[-1] = (x0, max(x1, word.x1), covered, count + 1)
            else:
                stretches.append((word.x0, word.x1, word.x1 - word.x0, 1))
        return cls(tuple(stretches))

    def full(self, start: float, end: float, width: float) -> int:
        """Count the words between two places if they are a full line of text there, and nothing goes beyond; else 0."""
        if any(x0 < place < x1 for x0, x1, _, _ in self.stretches for place in (start, end)):
            return 0
        own = [stretch for stretch in self.stretches if start <= stretch[0] and stretch[1] <= end]
        if not own or own[-1][1] - own[0][0] < FULL * width:
            return 0
        is_dense = sum(covered for _, _, covered, _ in own) >= DENSE * (own[-1][1] - own[0][0])
        return sum(count for *_, count in own) if is_dense else 0


def _crossings(lines: Sequence[_Line], width: float) -> list[int]:
    """Count for each place the lines that go through it."""
    places = _places(width)
    changes = [0] * (len(places) + 1)
    for line in lines:
        for x0, x1, _, _ in line.stretches:
            changes[bisect_left(places, x0)] += 1
            changes[bisect_right(places, x1)] -= 1
    return list(accumulate(changes[:-1]))
