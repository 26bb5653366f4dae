"""What the language model may write on a card: words; a decimal number or percentage only where a fact has it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ml_intern.core.errors import ToolError
from ml_intern.publishing.record import ModelRecord

_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{1,39}")
_MAX_TITLE = 120
_MAX_TEXT = 4000
_CLAIM = re.compile(
    r"(?<![\d.,])(?P<number>\d+(?:[.,]\d+)*|[.,]\d+)(?P<exponent>e[+-]?\d+)?"
    r"(?:\s*(?P<percent>%|percent\b|per\s?cent\b|pct\b|percentage\s+points?\b))?",
    re.IGNORECASE,
)
_INTERVAL = re.compile(r"95\s*(%|percent|per\s?cent)[\s-]+(confidence|interval|CI\b|bootstrap)", re.IGNORECASE)
_ARXIV = re.compile(r"\barxiv(\.org/\w+/|[\s:]*)\d{4}\.\d{4,5}(v\d+)?", re.IGNORECASE)
_GROUPED = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """The fields of a card that the language model writes; `license` is an identifier of the Hub, such as `mit`."""

    title: str
    summary: str
    intended_use: str
    limitations: str
    license: str


@dataclass(frozen=True, slots=True)
class _Claim:
    """A number as it stands in a text; `decimals` counts the digits behind its point."""

    words: str
    value: float
    decimals: int
    is_percent: bool


def check(prose: Prose, record: ModelRecord) -> None:
    """Refuse prose that is empty, too long, or states a number that no fact has.

    A number may be a fact's value rounded to the digits shown; a percentage may be a hundred times a fraction. What
    the training script reported of itself does not count.

    Raises:
        ToolError: the message names the field and the number.
    """
    if not _LICENSE.fullmatch(prose.license):
        raise ToolError(f"{prose.license!r} is no license identifier of the Hub; use one such as apache-2.0 or mit")
    if len(prose.title) > _MAX_TITLE:
        raise ToolError(f"the title has {len(prose.title)} characters; at most {_MAX_TITLE} are allowed")
    known = _Known.of(record)
    for field in ("title", "summary", "intended_use", "limitations"):
        text: str = getattr(prose, field)
        if not text.strip() or len(text) > _MAX_TEXT:
            raise ToolError(f"{field} must have 1 to {_MAX_TEXT} characters; it has {len(text)}")
        for claim in _claims(text):
            if not known.has(claim):
                raise ToolError(
                    f"{field} states {claim.words!r}, which the runtime did not measure. Take the number out: the card "
                    f"shows every measured number by itself. Or state it as it was measured: {known.shown}."
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Numbers that prose may state: plain ones, fractions that may be written in percent, and percentages."""

    numbers: tuple[float, ...]
    fractions: tuple[float, ...]
    percentages: tuple[float, ...]
    shown: str

    @classmethod
    def of(cls, record: ModelRecord) -> _Known:
        scores = record.evaluated.scores
        measured = [n for s in scores for n in (s.value, s.low, s.high, s.baseline)]
        seen = [record.trained.seconds, *([] if record.trained.last_loss is None else [record.trained.last_loss])]
        quoted = [claim for text in _texts(record) for claim in _claims(text)]
        numbers = [*measured, *seen, *(c.value for c in quoted if not c.is_percent)]
        return cls(
            numbers=tuple(numbers),
            fractions=tuple(n for n in numbers if 0 <= n <= 1),
            percentages=tuple(c.value for c in quoted if c.is_percent),
            shown="; ".join(f"{s.metric} {s.value:.4f}" for s in scores),
        )

    def has(self, claim: _Claim) -> bool:
        if not claim.is_percent:
            return any(_rounds(number, claim) for number in self.numbers)
        return any(_rounds(n, claim) for n in self.percentages) or any(_rounds(100 * n, claim) for n in self.fractions)


def _texts(record: ModelRecord) -> Iterator[str]:
    """Give the texts of facts whose numbers may be repeated; digests and the model's own words are not among them."""
    yield record.sentence
    yield record.network.arguments
    yield from record.trained.hyperparameters.values()
    yield from record.evaluated.environment.values()
    yield from (c.detail for c in record.dataset.inputs)


def _rounds(number: float, claim: _Claim) -> bool:
    return abs(number - claim.value) <= 0.5 * 10.0**-claim.decimals * (1 + 1e-9)


def _claims(text: str) -> Iterable[_Claim]:
    """Find decimal numbers and percentages; whole numbers, arXiv identifiers and versions of three parts are none."""
    text = unicodedata.normalize("NFKC", text)
    for pattern in (_ARXIV, _INTERVAL):
        text = pattern.sub(" ", text)
    for found in _CLAIM.finditer(text):
        number, exponent = found["number"], found["exponent"] or ""
        if found["percent"] or exponent or _is_decimal(number):
            digits = _digits(number)
            if digits is not None:
                decimals = len(digits.partition(".")[2]) - int(exponent[1:] or 0)
                words = " ".join(found.group().split())
                yield _Claim(words, float(digits + exponent), decimals, found["percent"] is not None)


def _is_decimal(number: str) -> bool:
    return "." in number or ("," in number and not _GROUPED.fullmatch(number))


def _digits(number: str) -> str | None:
    """Write a number with a point; None for what is none, such as `1.2.3`."""
    if _GROUPED.fullmatch(number):
        return number.replace(",", "")
    pointed = number.replace(",", ".")
    return pointed if pointed.count(".") <= 1 else None
