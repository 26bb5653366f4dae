"""Numbers that words claim: decimals, percentages and shares such as `9 in 10`, in digits or spelled out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_CLAIM = re.compile(
    r"(?<![\d.,])(?P<sign>(?<![^\s(\[{=:])[-\u2212])?(?P<number>\d+(?:[.,]\d+)*|[.,]\d+)(?P<exponent>e[+-]?\d+)?"
    r"(?:\s*(?P<percent>%|percent\b|per\s?cent\b|pct\b|percentage\s+points?\b))?",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"(?<![\d.,])(?P<part>\d[\d,]*)\s+(?:out\s+of|of|in)\s+(?:(?:an?|the|every|each)\s+)?(?P<whole>10|100|1,?000)(?!\d|[.,]\d)",
    re.IGNORECASE,
)
_INTERVAL = re.compile(r"95\s*(%|percent|per\s?cent)[\s-]+(confidence|interval|CI\b|bootstrap)", re.IGNORECASE)
_ARXIV = re.compile(r"\barxiv(\.org/\w+/|[\s:]*)\d{4}\.\d{4,5}(v\d+)?", re.IGNORECASE)
_GROUPED = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")

_TO_NINETEEN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_SMALL = tuple(_TO_NINETEEN.split())
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {word: n for n, word in enumerate(_SMALL)} | {word: 10 * n for n, word in enumerate(_TENS, 2)}
_WORD = "|".join((*_VALUES, "hundred", "thousand"))
_SPELLED = re.compile(
    rf"\b(?:{_WORD})\b(?:(?:[\s-]+|\s+and\s+)(?:{_WORD})\b)*(?:\s+point(?:[\s-]+(?:{'|'.join(_SMALL[:10])})\b)+)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A number as it stands in a text; `decimals` counts the digits behind its point."""

    words: str
    value: float
    decimals: int
    is_percent: bool


def claims(text: str) -> Iterable[Claim]:
    """Find decimals, percentages and shares; whole numbers, arXiv identifiers and versions of three parts are none."""
    text = unicodedata.normalize("NFKC", text)
    for pattern in (_ARXIV, _INTERVAL):
        text = pattern.sub(" ", text)
    text = _SPELLED.sub(lambda found: _in_digits(found.group()), text)
    yield from _shares(text)
    for found in _CLAIM.finditer(text):
        number, exponent = found["number"], found["exponent"] or ""
        if found["percent"] or exponent or _is_decimal(number):
            digits = _digits(number)
            if digits is not None:
                decimals = len(digits.partition(".")[2]) - int(exponent[1:] or 0)
                words, sign = " ".join(found.group().split()), -1.0 if found["sign"] else 1.0
                yield Claim(words, sign * float(digits + exponent), decimals, found["percent"] is not None)


def rounds(number: float, claim: Claim) -> bool:
    """Whether `number` is what the claim says, rounded to the digits that it shows."""
    return abs(number - claim.value) <= 0.5 * 10.0**-claim.decimals * (1 + 1e-9)


def states(claim: Claim, numbers: Iterable[float]) -> bool:
    """Whether the claim is one of `numbers` rounded; a percentage may be a hundred times a fraction."""
    scaled = (100 * n for n in numbers if 0 <= n <= 1) if claim.is_percent else numbers
    return any(rounds(number, claim) for number in scaled)


def bounds_of(sentence: str, intervals: Iterable[tuple[float, float]]) -> list[float]:
    """Give the ends of those intervals of which `sentence` states both: one alone would pass for the value itself."""
    stated = list(claims(sentence))
    return [
        end for ends in intervals if all(any(states(claim, [end]) for claim in stated) for end in ends) for end in ends
    ]


def sentences(text: str) -> list[str]:
    """Cut a text at the ends of its sentences, at semicolons and at lines."""
    return _SENTENCE.split(text)


def sentences_on(text: str, names: Sequence[str]) -> Iterator[str]:
    """Give the sentences of `text` that name one of `names`, such as `accuracy` or `macro_f1`."""
    wanted = [re.compile(rf"\b{re.escape(name).replace('_', '[ _-]')}\b", re.IGNORECASE) for name in names]
    for sentence in sentences(text):
        if any(name.search(sentence) for name in wanted):
            yield sentence


def _shares(text: str) -> Iterator[Claim]:
    """Find the greater part of ten, a hundred or a thousand, which is a percentage; `2 of 10 classes` is a count."""
    for found in _SHARE.finditer(text):
        part, whole = (int(found[name].replace(",", "")) for name in ("part", "whole"))
        if whole / 2 < part <= whole:
            yield Claim(" ".join(found.group().split()), 100 * part / whole, len(str(whole)) - 3, is_percent=True)


def _in_digits(spelled: str) -> str:
    """Write `ninety-nine point eight` as 99.8, and `a hundred and five` as `a 105`."""
    whole, _, behind = spelled.lower().partition("point")
    total = part = 0
    for word in re.findall(rf"\b(?:{_WORD})\b", whole):
        match word:
            case "hundred":
                part = 100 * max(part, 1)
            case "thousand":
                total, part = total + 1000 * max(part, 1), 0
            case _:
                part += _VALUES[word]
    decimals = "".join(str(_VALUES[word]) for word in re.findall(r"[a-z]+", behind))
    return f"{total + part}.{decimals}" if decimals else str(total + part)


def _is_decimal(number: str) -> bool:
    return "." in number or ("," in number and not _GROUPED.fullmatch(number))


def _digits(number: str) -> str | None:
    """Write a number with a point; None for what is none, such as `1.2.3`."""
    if _GROUPED.fullmatch(number):
        return number.replace(",", "")
    pointed = number.replace(",", ".")
    return pointed if pointed.count(".") <= 1 else None
