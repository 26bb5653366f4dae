"""Find tables by their rules: stacks of horizontal lines of one width, near a caption."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ml_intern.literature.document import Box
from ml_intern.literature.layout.grid import Grid, grid_of
from ml_intern.literature.layout.lines import Piece
from ml_intern.literature.layout.page import Rule, Word

SHORTEST = 45.0
"""Length of a rule that can bound a table."""
TALLEST = 330.0
"""Distance from which two rules of one width belong to two tables, unless rows stand between them."""
PARTED = 0.85
"""Share of the lines of a tall table that have a wide gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table's place, its rows of cells, and the words it is made of."""

    box: Box
    rows: Grid
    words: tuple[Word, ...]


def tables(
    words: Sequence[Word], horizontals: Sequence[Rule], verticals: Sequence[Rule], captions: Sequence[Piece]
) -> list[Table]:
    """Give the tables of a page; `captions` are the first lines of captions of tables."""
    rules = _merged(horizontals)
    rules = sorted([*rules, *_implied(rules, verticals)], key=lambda rule: rule.at)
    found: list[Table] = []
    for stack in _stacks(rules, words):
        for part in _parts(stack, words, captions):
            table = _table(part, words, horizontals, verticals, captions)
            if table is not None:
                found.append(table)
    return found


def _merged(rules: Sequence[Rule]) -> list[Rule]:
    """Join rules drawn cell by cell; leave out those too short for a table."""
    joined: list[Rule] = []
    for rule in sorted(rules, key=lambda rule: (rule.at, rule.start)):
        for place, other in enumerate(joined):
            if abs(other.at - rule.at) < 1.2 and rule.start <= other.end + 3 and rule.end >= other.start - 3:
                both = Rule(start=min(other.start, rule.start), end=max(other.end, rule.end), at=other.at)
                joined[place] = both
                break
        else:
            joined.append(rule)
    return [rule for rule in joined if rule.end - rule.start > SHORTEST]


def _implied(rules: Sequence[Rule], verticals: Sequence[Rule]) -> Iterator[Rule]:
    """Close a table that has vertical rules and a line under its head only: at both ends of the vertical ones."""
    for upright in _stretched(verticals):
        crossing = [
            rule
            for rule in rules
            if upright.start - 3 <= rule.at <= upright.end + 3 and rule.start - 3 <= upright.at <= rule.end + 3
        ]
        if upright.end - upright.start < 20 or not crossing:
            continue
        left, right = min(rule.start for rule in crossing), max(rule.end for rule in crossing)
        for at in (upright.start - 1.5, upright.end + 1.5):
            if not any(abs(rule.at - at) < 4 and abs(rule.start - left) < 5 for rule in rules):
                yield Rule(start=left, end=right, at=at)


def _stretched(verticals: Sequence[Rule]) -> list[Rule]:
    """Join vertical rules drawn row by row."""
    joined: list[Rule] = []
    for rule in sorted(verticals, key=lambda rule: (round(rule.at), rule.start)):
        last = joined[-1] if joined else None
        if last is not None and abs(last.at - rule.at) < 1.5 and rule.start <= last.end + 2.5:
            joined[-1] = Rule(start=last.start, end=max(last.end, rule.end), at=last.at)
        else:
            joined.append(rule)
    return joined


def _stacks(rules: Sequence[Rule], words: Sequence[Word]) -> list[list[Rule]]:
    stacks: list[list[Rule]] = []
    for rule in rules:
        for stack in stacks:
            first = stack[0]
            is_same = abs(first.start - rule.start) < 5 and abs(first.end - rule.end) < 5
            if is_same and (rule.at - stack[-1].at < TALLEST or _is_tabular(words, stack[-1], rule)):
                stack.append(rule)
                break
        else:
            stacks.append([rule])
    # equal rules may be found from two verticals
    return [[r for n, r in enumerate(s) if not n or r.at - s[n - 1].at > 0.8] for s in stacks]


def _is_tabular(words: Sequence[Word], above: Rule, below: Rule) -> bool:
    """Whether almost every line between two rules has a wide gap, as rows of a table over the whole page have."""
    lines: dict[int, list[Word]] = {}
    for word in words:
        if above.at < word.base < below.at and word.x0 >= above.start - 4 and word.x1 <= above.end + 4:
            lines.setdefault(round(word.base), []).append(word)
    return len(lines) >= 3 and sum(map(_has_gap, lines.values())) >= PARTED * len(lines)


def _has_gap(line: Sequence[Word]) -> bool:
    ordered = sorted(line, key=lambda word: word.x0)
    return any(right.x0 - left.x1 > right.size for left, right in pairwise(ordered))


def _parts(stack: Sequence[Rule], words: Sequence[Word], captions: Sequence[Piece]) -> Iterator[list[Rule]]:
    """Part a stack where a caption stands between two rules, or nothing does over a wide space."""
    part = [stack[0]]
    for above, below in pairwise(stack):
        between = [
            caption
            for caption in captions
            if above.at < caption.y0 < below.at and caption.x0 < above.end and caption.x1 > above.start
        ]
        inside = any(
            above.at - 1 < word.base <= below.at + 1 and word.x0 >= above.start - 4 and word.x1 <= above.end + 4
            for word in words
        )
        if between or (not inside and below.at - above.at > 25):
            yield part
            part = []
        part.append(below)
    yield part


def _table(
    rules: Sequence[Rule],
    words: Sequence[Word],
    horizontals: Sequence[Rule],
    verticals: Sequence[Rule],
    captions: Sequence[Piece],
) -> Table | None:
    if len(rules) < 2:
        return None
    box = Box(x0=rules[0].start - 3, y0=rules[0].at, x1=rules[0].end + 3, y1=rules[-1].at)
    inside = [
        word
        for word in words
        if word.x0 >= box.x0 - 2 and word.x1 <= box.x1 + 2 and box.y0 - 2 < word.middle < box.y1 + 2
    ]
    near = any(_is_near(caption, box) for caption in captions)
    if len(inside) < 4 or box.y1 - box.y0 < 12 or (not near and len(rules) < 3):
        return None
    width = box.x1 - box.x0
    bars = [rule for rule in horizontals if box.y0 < rule.at < box.y1 and rule.end - rule.start < 0.8 * width]
    rows = grid_of(inside, [rule.at for rule in rules], verticals, bars)
    if len(rows) < 2 or max(map(len, rows)) < 2:
        return None
    return Table(box=box, rows=rows, words=tuple(inside))


def _is_near(caption: Piece, box: Box) -> bool:
    beside = caption.x1 > box.x0 and caption.x0 < box.x1
    return beside and (0 <= box.y0 - caption.y1 < 75 or 0 <= caption.y0 - box.y1 < 40)
