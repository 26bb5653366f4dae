"""What the language model may write on a card: words; a decimal number or percentage only where a fact has it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ml_intern.core.errors import ToolError
from ml_intern.core.figures import Claim, bounds_of, claims, rounds, sentences, sentences_on, states
from ml_intern.publishing.record import ModelRecord

_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{1,39}")
_MAX_TITLE = 120
_MAX_TEXT = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """The fields of a card that the language model writes; `license` is an identifier of the Hub, such as `mit`."""

    title: str
    summary: str
    intended_use: str
    limitations: str
    license: str


def check(prose: Prose, record: ModelRecord) -> None:
    """Refuse prose that is empty, too long, or states a number that no fact has.

    A number may be a fact's value rounded to the digits shown; a percentage may be a hundred times a fraction. The ends
    of an interval count only together. What the training script reported of itself does not count, nor what the task
    asked for in a sentence on a metric.

    Raises:
        ToolError: the message names the field and the number.
    """
    if not _LICENSE.fullmatch(prose.license):
        raise ToolError(f"{prose.license!r} is no license identifier of the Hub; use one such as apache-2.0 or mit")
    if len(prose.title) > _MAX_TITLE:
        raise ToolError(f"the title has {len(prose.title)} characters; at most {_MAX_TITLE} are allowed")
    known, proven = (_Known.of(record, texts) for texts in ((record.sentence, *_texts(record)), _texts(record)))
    for field in ("title", "summary", "intended_use", "limitations"):
        text: str = getattr(prose, field)
        if not text.strip() or len(text) > _MAX_TEXT:
            raise ToolError(f"{field} must have 1 to {_MAX_TEXT} characters; it has {len(text)}")
        results = " ".join(sentences_on(text, [s.metric for s in record.evaluated.scores]))
        for claim in (*known.unproven(text), *proven.unproven(results)):
            raise ToolError(
                f"{field} states {claim.words!r}, which the runtime did not measure. Take the number out: the card "
                f"shows every measured number by itself. Or state it as it was measured: {known.shown}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Numbers that prose may state; those of [0, 1] also in percent."""

    numbers: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    percentages: tuple[float, ...]
    shown: str

    @classmethod
    def of(cls, record: ModelRecord, texts: Iterable[str]) -> _Known:
        scores = record.evaluated.scores
        measured = [n for s in scores for n in (s.value, s.baseline)]
        seen = [record.trained.seconds, *([] if record.trained.last_loss is None else [record.trained.last_loss])]
        quoted = [claim for text in texts for claim in claims(text)]
        return cls(
            numbers=(*measured, *seen, *(c.value for c in quoted if not c.is_percent)),
            intervals=tuple((s.low, s.high) for s in scores),
            percentages=tuple(c.value for c in quoted if c.is_percent),
            shown="; ".join(f"{s.metric} {s.value:.4f}" for s in scores),
        )

    def unproven(self, text: str) -> Iterator[Claim]:
        for sentence in sentences(text):
            numbers = (*self.numbers, *bounds_of(sentence, self.intervals))
            for claim in claims(sentence):
                quoted = claim.is_percent and any(rounds(n, claim) for n in self.percentages)
                if not quoted and not states(claim, numbers):
                    yield claim


def _texts(record: ModelRecord) -> Iterator[str]:
    """Give the texts of facts whose numbers may be repeated; digests and the model's own words are not among them."""
    yield record.network.arguments
    yield from record.trained.hyperparameters.values()
    yield from record.evaluated.environment.values()
    yield from (c.detail for c in record.dataset.inputs)
