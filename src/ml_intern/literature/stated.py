"""Read values out of sentences and tables by the expressions of a facet."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

_WHOLE = r"\d{1,3}(?:,\d{3})+|\d+"
_REAL = r"10\s-\d{1,2}(?!\d)|\d+(?:\.\d+)?(?:\s*x\s*10\s*-?\d+|e-?\d+)?"
OPTIMIZERS = (
    r"adamw|adamax|adam|nadam|radam|adagrad|adadelta|adafactor|adabelief|amsgrad|novograd|rmsprop|rprop"
    r"|stochastic gradient descent|sgd|l-?bfgs"
)
"""Names of optimizers that are no other words."""
_SPELLED = {
    word: str(number)
    for number, word in enumerate(
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], 2
    )
}

_CALLED = {"stochastic gradient descent": "sgd", "l-bfgs": "lbfgs"}
"""What programs call it."""


def values(expressions: Sequence[str], column: str, text: str) -> Iterator[str]:
    """Give what the expressions find in a sentence; of a row of a table, what is under a head that fits `column`.

    In an expression `(N)` stands for a whole number, `(R)` for any, and `(O)` for the name of an optimizer; the last
    group that fits is the value.
    """
    if text.startswith("|"):
        yield from under(column, text.replace(" / |", "\n|"))
        return
    plain = _plain(text)
    for expression in expressions:
        for match in _filled(expression).finditer(plain):
            yield number(match[match.lastindex or 0])


@cache
def _filled(expression: str) -> re.Pattern[str]:
    filled = with_optimizers(expression).replace("(N", f"((?:{_WHOLE})").replace("(R)", f"({_REAL})")
    return re.compile(filled, re.IGNORECASE)


def with_optimizers(expression: str) -> str:
    """Put the names of optimizers where an expression has `(O)`, `(?:O)` or `(?:O|`."""
    return re.sub(r"(?<=\(|:)O(?=[)|])", lambda _: OPTIMIZERS, expression)


def _plain(text: str) -> str:
    """Write a sentence without LaTeX's signs, small numbers as digits; capitals stay, as `h` and `H` are two things."""
    plain = re.sub(r"\\(?:times|cdot)|[\u00d7\u00b7]", "x", unicodedata.normalize("NFKC", text)).replace("\u2212", "-")
    plain = re.sub(
        r"(?<=\d)\s*x\s*(?=\d)", "x", re.sub(r"\s+", " ", re.sub(r"[\\{}^_|*]", " ", plain.replace("$", "")))
    )
    spelled = "|".join(_SPELLED)
    return re.sub(rf"\b(?:{spelled})\b", lambda match: _SPELLED[match[0].lower()], plain, flags=re.IGNORECASE)


def under(column: str, text: str) -> Iterator[str]:
    """Give the numbers in the columns of a table whose head fits the expression `column`; empty fits none.

    A head in which a group of the expression fits is itself a value, as `18-layer` is of depth.
    """
    rows = [_cells(line) for line in text.split("\n") if line.startswith("|") and not line.startswith("| ---")]
    if len(rows) < 2 or not column:
        return
    for place, head in enumerate(rows[0]):
        fitting = re.fullmatch(column, head, re.IGNORECASE)
        if fitting and fitting.lastindex:
            yield number(fitting[fitting.lastindex])
        elif fitting:
            # a cell such as 7/14 gives one for each of two variants in its row
            cells = (part for row in rows[1:] if place < len(row) for part in re.split(r"\s*/\s*", row[place]))
            yield from (number(cell) for cell in cells if re.fullmatch(rf"{_WHOLE}|{_REAL}", cell))


def _cells(line: str) -> list[str]:
    return [_plain(part).strip() for part in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def number(text: str) -> str:
    """Write a number as programs do: `10,000` as 10000, `10k` too, `3 x 10 -4` as 0.0003, `10 -3`; words stay."""
    if known := _CALLED.get(text.lower()):
        return known
    if bare := re.fullmatch(r"10\s(-\d+)", text):
        return f"{10.0 ** int(bare[1]):g}"
    plain = re.sub(r"\s+", "", text.lower()).replace(",", "")
    power = re.fullmatch(r"(\d+(?:\.\d+)?)(?:x10|e)(-?\d+)", plain)
    if power:
        return f"{float(power[1]) * 10 ** int(power[2]):g}"
    return f"{plain[:-1]}000" if re.fullmatch(r"\d+k", plain) else plain
