"""Tell the numbered headings of a paper from all other lines that begin with a number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

_Place: TypeAlias = tuple[int, ...]
"""The number of a heading as integers, after 0 for sections, 1 for appendices: 3.2 is (0, 3, 2), A.1 is (1, 1, 1)."""
_Key: TypeAlias = tuple[Literal["at", "within"], _Place]

_LINE = re.compile(r"(?P<number>(?:[A-Z]|[1-9]\d?)(?:\.[1-9]\d?){0,3})\.?[ \t]+(?P<title>[^\W\d_].{1,90})")
_NAMES = re.compile(
    r"abstract|references|bibliography|acknowledge?ments?|appendix|appendices|supplementary materials?", re.IGNORECASE
)
_INITIALS = re.compile(r"^[A-Z]\.|, [A-Z]\. |\bet al\b")
"""As in `A. B. Author`, the beginning of a reference and not of an appendix."""
WRAPPED = 0.6
"""Share of the usual length of a line from which a title may go on in the next one."""
GAP = 1.2
"""What a missing number costs; a heading is worth 1, so that one more heading does not pay for one gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading found at `line`, an index into the lines, and `height` lines high.

    `number` is empty for those known by name.
    """

    line: int
    number: str
    title: str
    height: int = 1

    @property
    def level(self) -> int:
        """1 for the outermost."""
        return self.number.count(".") + 1


def headings(lines: Sequence[str]) -> list[Heading]:
    """Give the headings in order: the best chain of numbers that count up as sections do, and those known by name."""
    named = [
        Heading(line=place, number="", title=line.strip())
        for place, line in enumerate(lines)
        if _NAMES.fullmatch(line.strip())
    ]
    references = max((h.line for h in named if h.title.casefold() in {"references", "bibliography"}), default=None)
    candidates = [
        heading
        for place, line in enumerate(lines)
        if (heading := _candidate(place, line.strip())) is not None
        # numbered entries of the references go on counting where the sections end
        and (references is None or place < references or heading.number[0].isalpha())
    ]
    width = sorted(map(len, lines))[len(lines) * 3 // 4] if lines else 0  # the short lines are labels and cells
    chain = [_completed(heading, lines, width) for heading in _best_chain(candidates)]
    return sorted([*named, *chain], key=lambda heading: heading.line)


def _candidate(place: int, line: str) -> Heading | None:
    match = _LINE.fullmatch(line)
    if match is None or match["title"][-1] in ",;:-" or _INITIALS.search(match["title"]):
        return None
    heading = Heading(line=place, number=match["number"], title=match["title"].strip())
    return heading if _worth(heading) > 0 else None


def _completed(heading: Heading, lines: Sequence[str], width: int) -> Heading:
    """Add the second line of a title that fills its line: short, capitals as in titles, and no heading itself."""
    following = lines[heading.line + 1].strip() if heading.line + 1 < len(lines) else ""
    words = re.findall(r"[^\W\d_]{4,}", following)
    is_title = bool(words) and all(word[0].isupper() for word in words) and following[0].isupper()
    if len(lines[heading.line].strip()) < WRAPPED * width or len(following) > WRAPPED * width or not is_title:
        return heading
    if _LINE.match(following) or _NAMES.fullmatch(following):
        return heading
    return replace(heading, title=f"{heading.title} {following}", height=2)


def _worth(heading: Heading) -> float:
    """Judge by the words how much a line looks like a title: 1 for the best, nothing for running text."""
    title = heading.title
    words: list[str] = re.findall(r"[^\W\d_]{4,}", title)
    capitals = sum(word[0].isupper() for word in words) / max(len(words), 1)
    if not title[0].isupper() or len(title.split()) > 14 or (len(words) > 3 and capitals < 0.3):
        return 0.0
    is_listed = re.search(r"[ .]\d{1,3}$", title) is not None  # as in a table of contents
    return 1.0 - 0.3 * (1 - capitals) - 0.3 * is_listed - 0.3 * title.endswith(".") - 0.2 * (len(title) > 60)


def _best_chain(candidates: Sequence[Heading]) -> list[Heading]:
    """Choose the candidates of the greatest worth in which each number may follow the one before it."""
    totals: list[float] = []
    previous: list[int | None] = []
    # for each key of `_left_by`, the candidate so far with the greatest total
    best: dict[_Key, int] = {}
    for here, heading in enumerate(candidates):
        place = _place(heading.number)
        links = [(totals[best[key]] - cost, best[key]) for key, cost in _follows(place) if key in best]
        starts: dict[_Place, float] = {(0, 1): 0.0, (0, 2): -GAP}
        options: list[tuple[float, int | None]] = [*links, (starts.get(place, float("-inf")), None)]
        total, link = max(options, key=lambda option: option[0])
        totals.append(total + _worth(heading))
        previous.append(link)
        for key in _left_by(place):
            if key not in best or totals[here] > totals[best[key]]:
                best[key] = here
    return _walk_back(candidates, totals, previous)


def _walk_back(candidates: Sequence[Heading], totals: Sequence[float], previous: Sequence[int | None]) -> list[Heading]:
    last = max(range(len(totals)), key=totals.__getitem__, default=None)
    here = last if last is not None and totals[last] > 0 else None
    chain: list[Heading] = []
    while here is not None:
        chain.append(candidates[here])
        here = previous[here]
    return chain[::-1]


def _place(number: str) -> _Place:
    first, *rest = number.split(".")
    start = (1, ord(first) - ord("A") + 1) if first.isalpha() else (0, int(first))
    return (*start, *map(int, rest))


def _left_by(place: _Place) -> list[_Key]:
    """Say where the text is after `place`: at it, and within everything that holds it."""
    return [("at", place), *(("within", place[:length]) for length in range(1, len(place) + 1))]


def _follows(place: _Place) -> list[tuple[_Key, float]]:
    """Say where the text may be just before `place`, and what it costs to believe so."""
    outer, last = place[:-1], place[-1]
    options: list[tuple[_Key, float]] = []
    for step, cost in ((1, 0.0), (2, GAP)):
        if last > step:
            options.append((("within", (*outer, last - step)), cost))
        elif last == step:  # the first of its kind: under its parent, or appendices after the sections
            options.append((("within", (0,)) if outer == (1,) else ("at", outer), cost))
    return [*options, (("within", (0,)), GAP)] if place == (1, 1, 1) else options
