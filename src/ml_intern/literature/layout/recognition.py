"""Read pages that are pictures: recognised words take the place of a text layer, and the layout is found from them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from statistics import median
from typing import Any, Protocol

from ml_intern.literature.layout import ink
from ml_intern.literature.layout.page import ASCENT, DESCENT, RawPage, Rule, Run

RESOLUTION = 200
"""Dots per inch; less loses indices, more costs time and finds no more (docs/design/0007)."""
FEWEST_LETTERS = 100
"""Letters of a page with a text layer; fewer mean that it is a picture."""
LEAST_IMAGE = 0.3
"""Share of a page that a scan covers at least; a page with a small figure only is no scan."""
MOST_GARBLED = 0.2
"""Share of characters without a meaning above which the text layer is worth nothing."""
LARGEST = 4_000
"""Pixels of a page's longer side that the recogniser does not make smaller."""
FONT = "Recognised"
HIGH = 1.2
"""Height of a recognised line in units of its font's size: the recogniser leaves white around the letters."""
ALIKE = 0.15
"""Share by which the heights of lines of one size differ: `ace` is lower than `bdg`."""
SPACE = 0.15
"""White behind a comma, in heights of the line, from which it parts two numbers and does not group thousands."""
TOUCHING = 3.0
"""Points between two rules that touch on the page and hardly on its picture."""
_COMMA = re.compile(r"(?<=\d),(?=\d)")
_GARBLED = re.compile("[\ufffd\ue000-\uf8ff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A recognised line, in pixels: it stands around `middle` and falls by `slope` a pixel to the right."""

    text: str
    x0: float
    x1: float
    middle: float
    height: float
    slope: float = 0.0


class Recogniser(Protocol):
    """Gives for a picture of a page its lines."""

    def __call__(self, picture: Any) -> Sequence[Line]:
        """Read `picture`, an array of (height, width) grey values."""
        ...


def is_available() -> bool:
    """Whether the extra `ocr` is installed."""
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


def is_picture(page: RawPage) -> bool:
    """Whether a page is an image without text, or its text layer is nothing but signs without a meaning."""
    letters = sum(map(str.isalpha, page.text))
    garbled = len(_GARBLED.findall(page.text))
    return (letters < FEWEST_LETTERS and page.image > LEAST_IMAGE) or garbled > MOST_GARBLED * len(page.text)


@cache
def rapid() -> Recogniser:
    """Load the recogniser of the extra `ocr`; its models come with its package."""
    from rapidocr import RapidOCR  # noqa: PLC0415 - an extra

    logging.disable(logging.WARNING)  # it tells where its models are
    # its classifier of directions turns upright lines upside down now and then
    engine: Any = RapidOCR(params={"Global.use_cls": False, "Global.max_side_len": LARGEST})

    def recognise(picture: Any) -> Sequence[Line]:
        found = engine(picture)
        if found is None or found.txts is None:
            return ()
        return [_line(text, box.tolist()) for text, box in zip(found.txts, found.boxes, strict=True) if text.strip()]

    return recognise


def _line(text: str, corners: Sequence[tuple[float, float]]) -> Line:
    """Make a line of its corners, clockwise from the upper left."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    x0, x1 = (ax + dx) / 2, (bx + cx) / 2
    left, right = (ay + dy) / 2, (by + cy) / 2
    return Line(
        text=text,
        x0=x0,
        x1=x1,
        middle=(left + right) / 2,
        height=(dy - ay + cy - by) / 2,
        slope=(right - left) / max(x1 - x0, 1),
    )


def recognised(page: Any, raw: RawPage, recognise: Recogniser) -> RawPage:
    """Give `raw` with the words and rules that stand on the picture of `page`, an open page of PDFium."""
    scale = RESOLUTION / 72
    picture = page.render(scale=scale, grayscale=True).to_numpy()
    if picture.ndim == 3:
        picture = picture[:, :, 0]
    dark, lines = ink.dark_places(picture), recognise(picture)
    slope = median([line.slope for line in lines if line.x1 - line.x0 > 10 * line.height] or [0.0])
    usual = median([line.height for line in lines for _ in line.text] or [0.0])
    words = [list(_words(line, dark)) for line in lines]
    runs = (
        _run(word, line, _levelled(line, lines, usual) / HIGH, slope)
        for line, here in zip(lines, words, strict=True)
        for word in here
    )
    horizontals, uprights = _rules(dark, -slope, scale), _rules(dark.T, slope, scale)
    height, width = (size / scale for size in picture.shape)
    return replace(
        raw,
        words=tuple((_scaled(run, 1 / scale),) for run in runs),
        text="\n".join(" ".join(text for text, _, _ in here) for here in words),
        width=width,
        height=height,
        horizontals=horizontals,
        verticals=tuple(upright for upright in uprights if any(_meet(rule, upright) for rule in horizontals)),
        # what is drawn on a picture is no object of the page, and its text covers the picture itself
        pictures=(),
        bars=(),
        is_recognised=True,
    )


def _words(line: Line, dark: Any) -> Iterator[tuple[str, float, float]]:
    """Part a line at its widest gaps, as many as it has spaces."""
    texts = line.text.split()
    signs = ink.signs(dark, (line.x0, line.x1), line.middle, line.height, line.slope)
    if len(signs) < len(texts):
        yield line.text, line.x0, line.x1
        return
    places = range(1, len(signs))
    widest = sorted(places, key=lambda n: signs[n - 1].x1 - signs[n].x0)[: len(texts) - 1]
    for text, (start, end) in zip(texts, pairwise([0, *sorted(widest), len(signs)]), strict=True):
        yield _parted(text, signs[start:end], SPACE * line.height), signs[start].x0, signs[end - 1].x1


def _parted(text: str, signs: Sequence[ink.Sign], space: float) -> str:
    """Write a space behind each comma between digits that has one on the picture."""
    low = [place for place, sign in enumerate(signs[:-1]) if sign.is_low]
    marks = [place for place, character in enumerate(text[:-1]) if character in ",."]
    if len(low) != len(marks):
        return text
    wide = {mark for mark, place in zip(marks, low, strict=True) if signs[place + 1].x0 - signs[place].x1 >= space}
    return _COMMA.sub(lambda comma: ", " if comma.start() in wide else ",", text)


def _levelled(line: Line, lines: Sequence[Line], usual: float) -> float:
    """Give the height that lines of one size share: the usual one of the page, or that of the lines around."""
    if abs(line.height - usual) <= ALIKE * usual:
        return usual
    reach = 3 * line.height
    return median(
        other.height
        for other in lines
        if abs(other.height - line.height) <= ALIKE * line.height
        and abs(other.middle - line.middle) < reach
        and other.x0 - reach < line.x1
        and line.x0 - reach < other.x1
    )


def _run(word: tuple[str, float, float], line: Line, size: float, slope: float) -> Run:
    """Set a word upright by turning it around the corner of the page."""
    text, x0, x1 = word
    middle = line.middle + line.slope * ((x0 + x1) / 2 - (line.x0 + line.x1) / 2) - slope * (x0 + x1) / 2
    shift = slope * line.middle
    base = middle + (ASCENT - DESCENT) / 2 * size
    return Run(text=text, x0=x0 + shift, x1=x1 + shift, base=base, size=size, font=FONT)


def _scaled(run: Run, factor: float) -> Run:
    return replace(
        run, x0=run.x0 * factor, x1=run.x1 * factor, base=run.base * factor, size=round(run.size * factor, 1)
    )


def _rules(dark: Any, turn: float, scale: float) -> tuple[Rule, ...]:
    """Give rules in points; `turn` is by how much a pixel along them moves them to stand upright."""
    return tuple(
        Rule(
            start=(rule.start - turn * rule.at) / scale,
            end=(rule.end - turn * rule.at) / scale,
            at=(rule.at + turn * (rule.start + rule.end) / 2) / scale,
        )
        for rule in ink.horizontals(dark)
    )


def _meet(rule: Rule, upright: Rule) -> bool:
    """Whether two rules cross or touch, in points; a bracket around rows touches none."""
    along = rule.start - TOUCHING <= upright.at <= rule.end + TOUCHING
    return along and upright.start - TOUCHING <= rule.at <= upright.end + TOUCHING
