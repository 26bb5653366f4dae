"""What an evaluation gives, and the strict reading of what its two jobs said."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, cast

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from ml_intern.core.errors import SandboxError
from ml_intern.core.facts import DatasetPrepared, Finding, Score, TaskKind
from ml_intern.evaluation.metrics import CHANCES, Metric, all_metrics, metrics_of

TEXT_LIMIT = 1000
SHOWN = 6
"""Metrics in the text; the card has all."""

LONGEST = 4000
"""Characters of a generated text; as in the predictor."""

MOST_PIXELS = 1 << 20
LONGEST_MASK = 1 << 22
"""Characters: a run for every other pixel."""

LARGEST = 1e100
"""Size of the largest prediction that is scored: the squares of larger ones overflow in sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """Scores on the hidden part, or in `text` why there are none.

    `text` is written for the language model, at most 1,000 characters. `environment` names versions and processor,
    `packages` locks them all; `examined` and `findings` are what a look at the network showed, `seconds` wall-clock.
    `predictions` are the answers themselves; `code` is that of the failure, where there are no scores.
    """

    text: str
    scores: tuple[Score, ...] = ()
    rows: int = 0
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    packages: tuple[str, ...] = ()
    examined: Mapping[str, float] = field(default_factory=dict[str, float])
    findings: tuple[Finding, ...] = ()
    predictions: tuple[float | str, ...] = ()
    seconds: float = field(default=0.0, compare=False)
    code: str = ""

    @property
    def ok(self) -> bool:
        """Whether the bundle was scored."""
        return bool(self.scores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """A class number, a finite number or a text for each hidden row, in their order.

    `chances` are the probabilities of the classes for each row, empty where the bundle gives none; `examined` the
    figures of a look at the network, by name; `seconds` the wall-clock time.
    """

    values: tuple[float | str, ...]
    chances: tuple[tuple[float, ...], ...] = ()
    examined: Mapping[str, float] = field(default_factory=dict[str, float])
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a bundle cannot be scored, for the language model; `code` is one of `CODES`."""

    reason: str
    code: str = "ended"


CODES = frozenset({"depends_on_other_rows", "unfit", "raised", "incomplete", "out_of_range", "ended"})
"""How an evaluation may fail; a closed list, so that no bundle can say anything with it."""


_Word = Annotated[str, Field(max_length=120)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One metric as the scorer reports it."""

    metric: str
    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    baseline: FiniteFloat
    higher_is_better: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What the scorer reports."""

    scores: tuple[_Entry, ...]
    rows: int
    environment: Annotated[dict[_Word, _Word], Field(max_length=10)]
    packages: Annotated[tuple[_Word, ...], Field(max_length=2000)] = ()


_SCORED = TypeAdapter(Scored)
_CHANCES: TypeAdapter[tuple[tuple[FiniteFloat, ...], ...]] = TypeAdapter(tuple[tuple[FiniteFloat, ...], ...])
_EXAMINED: TypeAdapter[dict[str, float]] = TypeAdapter(
    Annotated[dict[Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")], FiniteFloat], Field(max_length=20)]
)


def read_predictions(lines: Sequence[str], dataset: DatasetPrepared) -> Predictions | Failure:
    """Check the predictor's lines: one allowed value for each hidden row, and a last line that says so."""
    values: list[float | str] = []
    is_complete = False
    answers = [_object(line) for line in lines]
    for answer in answers:
        if "error" in answer:
            code = str(answer.get("code"))
            return Failure(reason=str(answer["error"]), code=code if code in CODES else "raised")
        chunk = answer.get("predictions")
        values += [_checked(value, dataset) for value in cast("list[object]", chunk if isinstance(chunk, list) else [])]
        is_complete = answer.get("rows") == len(values)
    expected = dataset.rows["final"]
    if not is_complete or len(values) != expected:
        return Failure(reason=f"the bundle gave {len(values)} predictions for {expected} rows", code="incomplete")
    if any(isinstance(value, float) and math.isnan(value) for value in values):
        return Failure(reason="the bundle gave predictions of a wrong type or out of range", code="out_of_range")
    chances = _chances(answers, dataset)
    if len(chances) not in {0, expected}:
        return Failure(
            reason=f"predict_proba gave probabilities for {len(chances)} of {expected} rows", code="incomplete"
        )
    return Predictions(values=tuple(values), chances=chances, examined=_examined(answers))


def _chances(answers: Sequence[Mapping[str, object]], dataset: DatasetPrepared) -> tuple[tuple[float, ...], ...]:
    """Join the probabilities; what does not fit the classes counts as none."""
    found: list[tuple[float, ...]] = []
    for answer in answers:
        try:
            found += _CHANCES.validate_python(answer.get("chances", ()))
        except ValidationError:
            return ()
    width = len(dataset.classes)
    return tuple(found) if all(len(row) == width and min(row) >= 0 for row in found) else ()


def _examined(answers: Sequence[Mapping[str, object]]) -> dict[str, float]:
    """Give the figures of the one look that was taken; none where they are not readable."""
    looks = [answer["examined"] for answer in answers if "examined" in answer]
    try:
        return _EXAMINED.validate_python(looks[0]) if len(looks) == 1 else {}
    except ValidationError:
        return {}


def _object(line: str) -> dict[str, object]:
    """Read one line; what is no JSON object says nothing."""
    try:
        answer: object = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", answer) if isinstance(answer, dict) else {}


def _checked(value: object, dataset: DatasetPrepared) -> float | str:
    """Give `value` where it is allowed for the task, else NaN."""
    if dataset.task == "classification":
        return value if type(value) is int and 0 <= value < len(dataset.classes) else math.nan
    if dataset.task == "segmentation":
        return value if isinstance(value, str) and _is_mask(value) else math.nan
    if dataset.task == "generation":
        return value if isinstance(value, str) and len(value) <= LONGEST else math.nan
    return value if type(value) is float and abs(value) <= LARGEST else math.nan


_MASK = re.compile(r"(\d{1,5})x(\d{1,5}):((?:\d{1,3}\*\d{1,7},)*\d{1,3}\*\d{1,7})")


def _is_mask(text: str) -> bool:
    """Whether a text is a mask whose runs fill it: `2x3:0*4,7*2`."""
    found = _MASK.fullmatch(text) if len(text) <= LONGEST_MASK else None
    lengths = [int(run.partition("*")[2]) for run in found[3].split(",")] if found else []
    return found is not None and 0 < sum(lengths) == int(found[1]) * int(found[2]) <= MOST_PIXELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the scorer was asked for besides the metrics of the task: those of probabilities, and the person's own."""

    chances: bool = False
    own: str = ""

    def names(self, dataset: DatasetPrepared) -> list[str]:
        """Name the metrics in the order of the scorer's report."""
        more = list(CHANCES) if self.chances else []
        return [*metrics_of(dataset), *more, *([self.own] if self.own else [])]


def read_scored(lines: Sequence[str], dataset: DatasetPrepared, wanted: Wanted | None = None) -> Scored:
    """Check the scorer's line.

    Raises:
        SandboxError: it is not one line of scores of the right metrics, rows and ranges.
    """
    try:
        scored = _SCORED.validate_json(lines[0] if len(lines) == 1 else "", strict=True, extra="forbid")
    except ValidationError as error:
        raise SandboxError(f"the scorer's report is unreadable: {error.errors(include_url=False)[0]['msg']}") from error
    problems = _problems(scored, dataset, wanted or Wanted())
    if problems:
        raise SandboxError(f"the scorer's report is not plausible: {'; '.join(problems)}")
    return scored


def _problems(scored: Scored, dataset: DatasetPrepared, wanted: Wanted) -> list[str]:
    names, known = wanted.names(dataset), all_metrics(dataset)
    if [entry.metric for entry in scored.scores] != names or scored.rows != dataset.rows["final"]:
        return [f"it must hold {', '.join(names)} for {dataset.rows['final']} rows"]
    return [
        f"{entry.metric} {number:g} lies outside of its range"
        for entry in scored.scores
        if entry.metric in known
        for number in (entry.value, entry.low, entry.high, entry.baseline)
        if not known[entry.metric].least - 1e-9 <= number <= known[entry.metric].most + 1e-9
    ] + [
        f"the interval of {entry.metric} does not hold its value"
        for entry in scored.scores
        if not entry.low <= entry.value <= entry.high
    ]


def scores_of(scored: Scored, dataset: DatasetPrepared) -> tuple[Score, ...]:
    """Give the scores as facts; the direction of a metric is ours to say, that of a person's own theirs."""
    known = all_metrics(dataset)
    return tuple(
        Score(
            metric=entry.metric,
            value=entry.value,
            low=entry.low,
            high=entry.high,
            baseline=entry.baseline,
            higher_is_better=known[entry.metric].higher_is_better
            if entry.metric in known
            else entry.higher_is_better is not False,
            **_bounds(known.get(entry.metric)),
        )
        for entry in scored.scores
    )


def _bounds(metric: Metric | None) -> dict[str, float]:
    """Give the ends of the range that are finite, as numbers that a journal gives back alike."""
    ends = {"least": metric.least, "most": metric.most} if metric else {}
    return {name: float(end) for name, end in ends.items() if math.isfinite(end)}


def render(scores: Sequence[Score], dataset: DatasetPrepared, *notes: str) -> str:
    """Say the scores and what else must be known in at most 1,000 characters."""
    labels = {name: metric.label for name, metric in all_metrics(dataset).items()}
    trivial = _TRIVIAL[dataset.task] + (" (for F1 the positive one)" if "f1" in labels else "")
    said = "; ".join(
        f"{labels.get(s.metric, s.metric)} {s.value:.4g} [{s.low:.4g}, {s.high:.4g}], baseline {s.baseline:.4g}"
        for s in scores[:SHOWN]
    )
    parts = [
        *(note for note in notes if note),
        f"Evaluated by the runtime on {dataset.rows['final']} hidden rows, with 95 % intervals; the baseline "
        f"always answers {trivial}. {said}.",
        ""
        if _beats_baseline(scores[0])
        else "The interval of the first metric does not exceed the baseline: the "
        "network has not been shown to learn anything. Look at the training before you publish.",
    ]
    return " ".join(part for part in parts if part)[:TEXT_LIMIT]


_TRIVIAL: Mapping[TaskKind, str] = {
    "classification": "the most frequent class",
    "regression": "the mean",
    "generation": "the most frequent text",
    "segmentation": "the most frequent class for each pixel",
}


def _beats_baseline(score: Score) -> bool:
    return score.low > score.baseline if score.higher_is_better else score.high < score.baseline
