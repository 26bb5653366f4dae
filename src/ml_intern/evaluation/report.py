"""What an evaluation gives, and the strict reading of what its two jobs said."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, cast

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from ml_intern.core.errors import SandboxError
from ml_intern.core.facts import DatasetPrepared, Score, TaskKind
from ml_intern.evaluation.metrics import METRICS

TEXT_LIMIT = 1000
LARGEST = 1e100
"""Size of the largest prediction that is scored: the squares of larger ones overflow in sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """Scores on the hidden part, or in `text` why there are none.

    `text` is written for the language model, at most 1,000 characters. `environment` names versions and processor.
    """

    text: str
    scores: tuple[Score, ...] = ()
    rows: int = 0
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def ok(self) -> bool:
        """Whether the bundle was scored."""
        return bool(self.scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """A class number or a finite number for each hidden row, in their order."""

    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a bundle cannot be scored, for the language model."""

    reason: str


_Word = Annotated[str, Field(max_length=120)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One metric as the scorer reports it."""

    metric: str
    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    baseline: FiniteFloat


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What the scorer reports."""

    scores: tuple[_Entry, ...]
    rows: int
    environment: Annotated[dict[_Word, _Word], Field(max_length=10)]


_SCORED = TypeAdapter(Scored)


def read_predictions(lines: Sequence[str], dataset: DatasetPrepared) -> Predictions | Failure:
    """Check the predictor's lines: one allowed value for each hidden row, and a last line that says so."""
    values: list[float] = []
    is_complete = False
    for line in lines:
        answer = _object(line)
        if "error" in answer:
            return Failure(reason=str(answer["error"]))
        chunk = answer.get("predictions")
        values += [_checked(value, dataset) for value in cast("list[object]", chunk if isinstance(chunk, list) else [])]
        is_complete = answer.get("rows") == len(values)
    expected = dataset.rows["final"]
    if not is_complete or len(values) != expected:
        return Failure(reason=f"the bundle gave {len(values)} predictions for {expected} rows")
    if any(math.isnan(value) for value in values):
        return Failure(reason="the bundle gave predictions of a wrong type or out of range")
    return Predictions(values=tuple(values))


def _object(line: str) -> dict[str, object]:
    """Read one line; what is no JSON object says nothing."""
    try:
        answer: object = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", answer) if isinstance(answer, dict) else {}


def _checked(value: object, dataset: DatasetPrepared) -> float:
    """Give `value` where it is allowed for the task, else NaN."""
    if dataset.task == "classification":
        return value if type(value) is int and 0 <= value < len(dataset.classes) else math.nan
    return value if type(value) is float and abs(value) <= LARGEST else math.nan


def read_scored(lines: Sequence[str], dataset: DatasetPrepared) -> Scored:
    """Check the scorer's line.

    Raises:
        SandboxError: it is not one line of scores of the right metrics, rows and ranges.
    """
    try:
        scored = _SCORED.validate_json(lines[0] if len(lines) == 1 else "", strict=True, extra="forbid")
    except ValidationError as error:
        raise SandboxError(f"the scorer's report is unreadable: {error.errors(include_url=False)[0]['msg']}") from error
    problems = _problems(scored, dataset)
    if problems:
        raise SandboxError(f"the scorer's report is not plausible: {'; '.join(problems)}")
    return scored


def _problems(scored: Scored, dataset: DatasetPrepared) -> list[str]:
    known = METRICS[dataset.task]
    if [entry.metric for entry in scored.scores] != list(known) or scored.rows != dataset.rows["final"]:
        return [f"it must hold {', '.join(known)} for {dataset.rows['final']} rows"]
    return [
        f"{entry.metric} {number:g} lies outside of its range"
        for entry in scored.scores
        for number in (entry.value, entry.low, entry.high, entry.baseline)
        if not known[entry.metric].least - 1e-9 <= number <= known[entry.metric].most + 1e-9
    ] + [
        f"the interval of {entry.metric} does not hold its value"
        for entry in scored.scores
        if not entry.low <= entry.value <= entry.high
    ]


def scores_of(scored: Scored, task: TaskKind) -> tuple[Score, ...]:
    """Give the scores as facts; the direction of a metric is ours to say."""
    return tuple(
        Score(
            metric=entry.metric,
            value=entry.value,
            low=entry.low,
            high=entry.high,
            baseline=entry.baseline,
            higher_is_better=METRICS[task][entry.metric].higher_is_better,
        )
        for entry in scored.scores
    )


def render(scores: Sequence[Score], dataset: DatasetPrepared, note: str = "") -> str:
    """Say the scores in at most 1,000 characters."""
    labels = METRICS[dataset.task]
    trivial = "the most frequent class" if dataset.task == "classification" else "the mean"
    said = "; ".join(
        f"{labels[s.metric].label} {s.value:.4g} [{s.low:.4g}, {s.high:.4g}], baseline {s.baseline:.4g}" for s in scores
    )
    parts = [
        f"Evaluated by the runtime on {dataset.rows['final']} hidden rows, with bootstrap 95 % intervals; the baseline "
        f"always answers {trivial}. {said}.",
        ""
        if _beats_baseline(scores[0])
        else "The interval of the first metric does not exceed the baseline: the "
        "network has not been shown to learn anything. Look at the training before you publish.",
        note,
    ]
    return " ".join(part for part in parts if part)[:TEXT_LIMIT]


def _beats_baseline(score: Score) -> bool:
    return score.low > score.baseline if score.higher_is_better else score.high < score.baseline
