"""Put the words of a page together into pieces of lines: what stands on one baseline without a wide gap."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ml_intern.literature.layout.page import ASCENT, DESCENT, Run, Word

_NUMBER = re.compile(r"(?:\d{1,2}|[A-Z])(?:\.\d{1,2}){0,3}\.?|(?:Figure|Fig\.|Table) [A-Z]?\d+(?:\.\d+)?[:.]")
_ROOT = "\N{SQUARE ROOT}"
LOOK_BACK = 14
"""Lines that may still take up a word, as bases rise and fall within one line of a formula."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Words of one line. `text` writes raised and lowered signs as `^{}` and `_{}`, `plain` leaves them as they are.

    `bold` and `math` are shares of the characters, 0 to 1. A piece that `is_formula` is LaTeX already, with its number.
    """

    words: tuple[Word, ...]
    text: str
    plain: str
    x0: float
    x1: float
    y0: float
    y1: float
    base: float
    size: float
    bold: float
    math: float
    is_formula: bool = False

    @property
    def width(self) -> float:
        """From the left of its first word to the right of its last."""
        return self.x1 - self.x0


@dataclass(slots=True)
class _Line:
    words: list[Word]
    y0: float
    y1: float
    size: float

    def takes(self, word: Word) -> bool:
        """Whether `word` stands at the same height, and not where another one does."""
        common = min(word.y1, self.y1) - max(word.y0, self.y0)
        if common <= 0.45 * min(word.y1 - word.y0, self.y1 - self.y0):
            return False
        left, right = word.x0, word.x1
        return not any(o.x1 > left and o.x0 < right and self._excludes(o, word) for o in self.words)

    def _excludes(self, other: Word, word: Word) -> bool:
        """Whether two words cannot be of one line: one over the other, but for roots, and for raised over lowered."""
        if min(word.x1, other.x1) - max(word.x0, other.x0) <= 0.5 * min(word.x1 - word.x0, other.x1 - other.x0):
            return False
        if _ROOT in {word.text, other.text}:
            return False
        small = min(word, other, key=lambda w: w.size)
        is_script = small.size < 0.86 * max(self.size, word.size) and (small.is_math or len(small.text) <= 3)
        return not is_script or abs(word.base - other.base) < 0.25 * word.size

    def is_beyond(self, word: Word, gutter: float | None) -> bool:
        """Whether all of the line stands in the other column: a raised sign must join its own one."""
        return gutter is not None and all((other.x0 < gutter) != (word.x0 < gutter) for other in self.words)

    def add(self, word: Word) -> None:
        """Take `word`; larger text decides where the line is."""
        self.words.append(word)
        if word.size > self.size + 0.5 or (abs(word.size - self.size) < 0.5 and len(self.words) < 3):
            self.y0, self.y1, self.size = word.y0, word.y1, word.size


def pieces(words: Sequence[Word], gutter: float | None) -> list[Piece]:
    """Give the pieces of all lines, from top to bottom and left to right; `gutter` parts two columns."""
    lines: list[_Line] = []
    for word in sorted(words, key=lambda word: (word.base, word.x0)):
        top, bottom = word.y0, word.y1
        near = [line for line in lines[-LOOK_BACK:] if line.y0 < bottom and line.y1 > top]
        fitting = [line for line in reversed(near) if line.takes(word)]
        if fitting:
            min(fitting, key=lambda line: line.is_beyond(word, gutter)).add(word)
        else:
            lines.append(_Line([word], word.y0, word.y1, word.size))
    return [piece for line in lines for piece in _parted(line.words, gutter)]


def _parted(line: Sequence[Word], gutter: float | None) -> list[Piece]:
    words = sorted(line, key=lambda word: word.x0)
    parts, right = [[words[0]]], words[0].x1
    for word in words[1:]:
        if _is_parted(parts[-1], word, right, gutter):
            parts.append([])
        parts[-1].append(word)
        right = max(right, word.x1)
    return [piece_of(part) for part in parts]


def _is_parted(part: Sequence[Word], word: Word, right: float, gutter: float | None) -> bool:
    gap = word.x0 - right
    if gutter is not None and right <= gutter + 3 and word.x0 >= gutter - 3 and gap > 4.5:
        return True
    if gap <= max(1.15 * max(word.size, part[-1].size), 8.5):
        return False
    # the number of a heading, and the label of a caption, stand further from what follows than words do
    return gap >= 3.2 * word.size or _NUMBER.fullmatch(" ".join(w.text for w in part)) is None


def piece_of(words: Sequence[Word]) -> Piece:
    """Make a piece of words that stand from left to right."""
    lengths = [len(word.text) for word in words]
    letters = sum(lengths)
    size = _size(words, letters)
    core = [word.base for word in words if abs(word.size - size) < 0.6] or [word.base for word in words]
    base = sorted(core)[len(core) // 2]
    lefts, rights = [word.x0 for word in words], [word.x1 for word in words]
    return Piece(
        words=tuple(words),
        text=scripted(words, base, size),
        plain=" ".join([word.text for word in words]),
        x0=min(lefts),
        x1=max(rights),
        y0=base - ASCENT * size,
        y1=base + DESCENT * size,
        base=base,
        size=size,
        bold=sum(length for word, length in zip(words, lengths, strict=True) if word.is_bold) / letters,
        math=sum(length for word, length in zip(words, lengths, strict=True) if word.is_math) / letters,
    )


def _size(words: Sequence[Word], letters: int) -> float:
    """Give the size of most characters, or the largest if a quarter has it."""
    sizes = Counter[float]()
    for word in words:
        sizes[round(word.size, 1)] += len(word.text)
    largest = max(sizes)
    return largest if sizes[largest] >= 0.25 * letters else sizes.most_common(1)[0][0]


def scripted(words: Sequence[Word], base: float, size: float) -> str:
    """Write words from left to right, raised and lowered small characters as `^{}` and `_{}`."""
    out: list[str] = []
    mode, last = "", None
    for word in words:
        if last is not None and _is_spaced(last, word, size):
            out.append(("}" if mode else "") + " ")
            mode = ""
        for run in word.runs:
            new = _mode(run, base, size)
            if new != mode:
                out.append(("}" if mode else "") + (f"{new}{{" if new else ""))
                mode = new
            out.append(run.text)
        last = word
    return re.sub(r"\s+", " ", "".join(out) + ("}" if mode else "")).strip()


def _is_spaced(last: Word, word: Word, size: float) -> bool:
    if word.x0 - last.x1 > 0.12 * size:
        return True
    return not (word.is_math or last.is_math or min(word.size, last.size) < 0.85 * size)


def _mode(run: Run, base: float, size: float) -> str:
    if run.size >= 0.86 * size:
        return ""
    rise = base - run.base
    if rise > 0.17 * size:
        return "^"
    return "_" if rise < -0.06 * size else ""


def gutter_of(words: Sequence[Word], width: float, body: float) -> float | None:
    """Give the middle of the empty strip between two columns of running text; None for one column."""
    text = [word for word in words if abs(word.size - body) < 1.6]
    left, right = sum(w.x1 < width / 2 for w in text), sum(w.x0 > width / 2 for w in text)
    if len(text) < 60 or min(left, right) < 0.18 * len(text):
        return None
    strip = _emptiest(text, width)
    if strip is None:
        return None
    middle = sum(strip) / 2
    starts = Counter(round(word.x0) for word in text if word.x0 > middle)
    aligned = max((starts[place] + starts[place + 1] for place in starts), default=0)
    return middle if aligned >= 8 else None


def _emptiest(text: Sequence[Word], width: float) -> tuple[float, float] | None:
    """Give the widest strip around the middle that almost no word reaches into, at least 5.5 wide."""
    step, most = 0.5, max(1.0, 0.012 * len(text))
    lefts, rights = sorted(word.x0 for word in text), sorted(word.x1 for word in text)
    best: tuple[float, float] | None = None
    start: float | None = None
    place = 0.42 * width
    while place <= 0.58 * width:
        # words that begin before this place, less those that end before it
        if bisect_left(lefts, place) - bisect_right(rights, place) > most:
            start = None
        else:
            start = place if start is None else start
            if best is None or place - start > best[1] - best[0]:
                best = (start, place)
        place += step
    return best if best is not None and best[1] - best[0] >= 5.0 else None


def without(piece: Piece, taken: frozenset[int]) -> Piece | None:
    """Give `piece` without the words whose identity is in `taken`; None if nothing is left."""
    left = [word for word in piece.words if id(word) not in taken]
    if len(left) == len(piece.words):
        return piece
    return piece_of(left) if left else None
