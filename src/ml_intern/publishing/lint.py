"""The linter of cards: each number in a card's text and metadata is one of the ledger or of the recorded facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ml_intern.core.errors import ToolError
from ml_intern.publishing import prose as prose_module
from ml_intern.publishing.card import score_cells
from ml_intern.publishing.ledger import of_evaluation, over_seeds, progress
from ml_intern.publishing.markdown import inline, plain, table
from ml_intern.publishing.provenance import Provenance

_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_DIGEST = re.compile(r"(?<![\w])[0-9a-f]{40,64}(?![\w])")
_NUMBER = re.compile(r"(?<![\w.,\-])-?(?:\d+(?:[.,]\d+)*)(?:e[+-]?\d+)?(?![\w])", re.IGNORECASE)
_EVALUATION = re.compile(r"^## Evaluation$(.*?)^## ", re.MULTILINE | re.DOTALL)
_OF_THE_FORM = (95.0, 256.0)
"""What every card says: 95 % intervals, SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardNumber:
    """A number on a card, where it stands, and whether an entry or a fact has it; `entry` names the entry."""

    where: str
    words: str
    resolved: bool
    entry: str = ""


def lint(card: str, provenance: Provenance) -> list[CardNumber]:
    """Resolve every number of `card` (the text of README.md); each score counts once in the text and once as metadata.

    Scores are compared where they stand, with their own entry: a number that another entry has is refused too.
    """
    front = _FRONT.match(card)
    text = card[front.end() :] if front else card
    return [
        *_prose(provenance),
        *_scores(text, provenance),
        *_metadata(card, provenance),
        *_rest(text, provenance),
    ]


def _prose(provenance: Provenance) -> list[CardNumber]:
    """Judge the words of the language model again by the facts."""
    try:
        prose_module.check(provenance.prose, provenance.record)
    except ToolError as error:
        return [CardNumber(where="the words of the author", words=str(error), resolved=False)]
    return []


def _scores(text: str, provenance: Provenance) -> Iterator[CardNumber]:
    """Look for each score's own row in the table, and for rows that are no score's."""
    section = _EVALUATION.search(text)
    lines = section[1].splitlines() if section else []
    evaluated = provenance.record.evaluated
    rows = {score.metric: table((), [score_cells(score)]).splitlines()[-1] for score in evaluated.scores}
    entries = {entry.metric: entry for entry in of_evaluation(provenance.record.ledger, evaluated)}
    for score in evaluated.scores:
        entry = entries.get(score.metric)
        is_entry = entry is not None and (entry.value, entry.low, entry.high, entry.baseline) == (
            score.value,
            score.low,
            score.high,
            score.baseline,
        )
        shown = is_entry and lines.count(rows[score.metric]) == 1
        yield CardNumber(
            where=f"the table of scores, {score.metric}",
            words=_row_of(lines, score.metric) or "nothing",
            resolved=shown,
            entry=entry.id if entry else "",
        )


def _row_of(lines: Sequence[str], metric: str) -> str:
    """Give what the card says of a metric."""
    start = f"| {inline(metric)} |"
    return next((line.strip("| ") for line in lines if line.startswith(start)), "")


def _metadata(card: str, provenance: Provenance) -> Iterator[CardNumber]:
    """Compare the results in the front matter with the scores, both ways."""
    from huggingface_hub import ModelCard, ModelCardData  # noqa: PLC0415 - slow to import

    scores = {score.metric: score for score in provenance.record.evaluated.scores}
    try:
        data = ModelCard(card, ignore_metadata_errors=False).data
        results = (data.eval_results or []) if isinstance(data, ModelCardData) else []
    except ValueError as error:
        yield CardNumber(where="the metadata", words=" ".join(str(error).split())[:200], resolved=False)
        return
    for result in results:
        score = scores.pop(str(result.metric_type), None)
        yield CardNumber(
            where=f"the metadata, {result.metric_type}",
            words=str(result.metric_value),
            resolved=score is not None and score.value == result.metric_value,
            entry=f"{provenance.record.evaluated.call_id}/{result.metric_type}",
        )
    for metric in scores:
        yield CardNumber(where=f"the metadata, {metric}", words="nothing", resolved=False)


def _rest(text: str, provenance: Provenance) -> Iterator[CardNumber]:
    """Resolve digests, and numbers anywhere else in the text; code is not text."""
    text = _CODE.sub(" ", text)
    digests = {found for string in _strings(provenance.document) for found in _DIGEST.findall(string)}
    for digest in _DIGEST.findall(text):
        if digest not in digests:
            yield CardNumber(where="the text", words=digest, resolved=False)
    known = _known(provenance)
    for line in _DIGEST.sub(" ", text).splitlines():
        for found in _NUMBER.findall(_plain(line)):
            value, decimals = _value(found)
            if value is None:
                continue
            slack = 0.5 * 10.0**-decimals * (1 + 1e-9)
            resolved = value in known or any(abs(number - value) <= slack for number in known)
            yield CardNumber(where=f"the text: {line.strip()[:60]}", words=found, resolved=resolved)


def _plain(line: str) -> str:
    """Take the escapes of Markdown away."""
    return line.replace("\\", "")


def _value(words: str) -> tuple[float | None, int]:
    """Read a number and how many digits stand behind its point; None for what is none, such as a version."""
    digits, _, exponent = words.lower().partition("e")
    digits = digits.replace(",", "")
    if digits.count(".") > 1:
        return None, 0
    decimals = len(digits.partition(".")[2]) - int((exponent or "0")[:6])
    # a whole number must be met exactly
    return float(f"{digits}e{exponent or 0}"), min(300, max(-300, decimals if "." in digits else max(decimals, 6)))


def _known(provenance: Provenance) -> set[float]:
    """Gather every number of the document, those inside its strings, and the sizes of its lists."""
    record = provenance.record
    counted = progress(record.ledger)
    known = {*_OF_THE_FORM, float(counted.gains), float(counted.false_gains), *_numbers(provenance.document)}
    if record.evaluated.seeds:
        others = [one.value for one in record.evaluated.seeds]
        known |= {float(1 + len(others)), *over_seeds(record.evaluated.scores[0], others)}
    return known


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, str):
        for found in _NUMBER.findall(_DIGEST.sub(" ", plain(value))):
            number, _ = _value(found)
            if number is not None:
                yield number
    elif isinstance(value, Mapping | list | tuple):
        inner = cast("Mapping[object, object] | Sequence[object]", value)
        yield float(len(inner))
        for part in [*inner.keys(), *inner.values()] if isinstance(inner, Mapping) else inner:
            yield from _numbers(part)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        inner = cast("Mapping[object, object] | Sequence[object]", value)
        for part in [*inner.keys(), *inner.values()] if isinstance(inner, Mapping) else inner:
            yield from _strings(part)
