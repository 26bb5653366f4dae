"""Put the words of a page together into pieces of lines: what stands on one baseline without a wide gap."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ml_intern.literature.layout.gutters import Gutter
from ml_intern.literature.layout.page import ASCENT, DESCENT, Run, Word

_NUMBER = re.compile(r"(?:\d{1,2}|[A-Z])(?:\.\d{1,2}){0,3}\.?|(?:Figure|Fig\.|Table) [A-Z]?\d+(?:\.\d+)?[:.]")
_ROOT = "\N{SQUARE ROOT}"
LOOK_BACK = 14
"""Lines that may still take up a word, as bases rise and fall within one line of a formula."""
REACH = 3.0
"""How far, in 1/72 inch, a word of one column may reach over the middle between both."""
SHARE_OF_GUTTER = 0.6
"""Share of the gutter, or of the size, up to which a gap may be one of words, if text goes through above or below."""


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

    @property
    def space(self) -> float:
        """The widest space between two of its words that a justified line usually has."""
        return max(4.5, 0.45 * self.size)

    def gap_at(self, gutter: float) -> float | None:
        """Give the distance of its words on either side of the gutter, 0 if one goes through; None for one side."""
        left = [word.x1 for word in self.words if word.x0 < gutter - REACH]
        right = [word.x0 for word in self.words if word.x0 >= gutter - REACH]
        if left and max(left) > gutter + REACH:
            return 0.0
        return min(right) - max(left) if left and right else None

    def is_near(self, other: _Line) -> bool:
        """Whether both may be lines of one block: of a size, and not more than a line between them."""
        distance = abs(self.words[0].base - other.words[0].base)
        return abs(self.size - other.size) < 0.6 and distance < 2.6 * self.size

    def add(self, word: Word) -> None:
        """Take `word`; larger text decides where the line is."""
        self.words.append(word)
        if word.size > self.size + 0.5 or (abs(word.size - self.size) < 0.5 and len(self.words) < 3):
            self.y0, self.y1, self.size = word.y0, word.y1, word.size


def pieces(words: Sequence[Word], gutter: Gutter | None) -> list[Piece]:
    """Give the pieces of all lines, from top to bottom and left to right; `gutter` parts two columns."""
    middle = gutter.middle if gutter else None
    lines: list[_Line] = []
    for word in sorted(words, key=lambda word: (word.base, word.x0)):
        top, bottom = word.y0, word.y1
        near = [line for line in lines[-LOOK_BACK:] if line.y0 < bottom and line.y1 > top]
        fitting = [line for line in reversed(near) if line.takes(word)]
        if fitting:
            min(fitting, key=lambda line: line.is_beyond(word, middle)).add(word)
        else:
            lines.append(_Line([word], word.y0, word.y1, word.size))
    wide = _over_both_columns(lines, gutter) if gutter else frozenset[int]()
    return [
        piece for place, line in enumerate(lines) for piece in _parted(line.words, None if place in wide else middle)
    ]


def _over_both_columns(lines: Sequence[_Line], gutter: Gutter) -> frozenset[int]:
    """Give the places of lines that go through the gutter, those too that have a gap by chance where it is."""
    gaps = [line.gap_at(gutter.middle) for line in lines]
    through = {place for place, gap in enumerate(gaps) if gap is not None and gap <= lines[place].space}
    by_chance = {
        place
        for place, gap in enumerate(gaps)
        if gap is not None
        and place not in through
        and gap <= SHARE_OF_GUTTER * max(gutter.width, lines[place].size)
        and any(lines[place].is_near(lines[other]) for other in range(place - 3, place + 4) if other in through)
    }
    return frozenset(through | by_chance)


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
    if gutter is not None and right <= gutter + REACH and word.x0 >= gutter - REACH:
        return True
    gap = word.x0 - right
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


def without(piece: Piece, taken: frozenset[int]) -> Piece | None:
    """Give `piece` without the words whose identity is in `taken`; None if nothing is left."""
    left = [word for word in piece.words if id(word) not in taken]
    if len(left) == len(piece.words):
        return piece
    return piece_of(left) if left else None
