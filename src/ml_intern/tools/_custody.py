"""What an evaluation may tell: selection answers counted queries, the final part meets each bundle once.

The inputs of selection are visible, so a failure there may say what went wrong. A failure on the final part says
nothing that the bundle could have chosen, or it would be a way to carry hidden inputs out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import DatasetPrepared, Evaluated, EvaluationFailed, Queried, Score, Trained
from ml_intern.core.folds import facts
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.evaluation.report import EvaluationReport

Part: TypeAlias = Literal["final", "selection"]

QUERIES = 50
"""How often a run may ask for a score on selection; each answer tells a little of the labels."""

_FAILED = (
    "This bundle could not be scored on the final part. Why is not shown, since a bundle could write the hidden inputs "
    'into it, and the failed attempt is counted. evaluate with part="selection" shows what predict does wrong.'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A training, the data it was made with, and the digest of the bundle made of it."""

    trained: Trained
    dataset: DatasetPrepared
    bundle_digest: str


def settled(context: ToolContext, candidate: Candidate, part: Part) -> Observation | None:
    """Give the answer that needs no scoring: a bundle that met this part before.

    Raises:
        ToolError: selection cannot be asked, or not again.
    """
    if part == "selection":
        return _asked(context, candidate)
    if known := [f for f in facts(context.records, Evaluated) if f.bundle_digest == candidate.bundle_digest]:
        first = known[-1].scores[0]
        text = f"This bundle was scored already: {first.metric} {first.value:.4f}. A part is scored once."
        return Observation(text=text, facts=(known[-1],))
    if any(f.bundle_digest == candidate.bundle_digest for f in facts(context.records, EvaluationFailed)):
        return Observation(text=f"It failed before and is not tried again. {_FAILED}", ok=False)
    return None


def _asked(context: ToolContext, candidate: Candidate) -> Observation | None:
    queries = facts(context.records, Queried)
    if known := [f for f in queries if f.bundle_digest == candidate.bundle_digest]:
        return Observation(text=f"This bundle was asked about already: {_said(known[-1].scores)}. Not counted again.")
    if not folder(context, "selection").is_dir():
        raise ToolError("these data were prepared by an older version, whose selection labels lie open in /data")
    if len(queries) >= QUERIES:
        raise ToolError(f"all {QUERIES} queries on selection are used up; decide by what they said")
    return None


def folder(context: ToolContext, part: Part) -> Path:
    """Give the hidden folder of a part; both have the same form."""
    return context.paths.hidden_data if part == "final" else context.paths.hidden_data / part


def view(dataset: DatasetPrepared, part: Part) -> DatasetPrepared:
    """Give the data as an evaluation takes them, which calls the part in its folder final."""
    return replace(dataset, rows={**dataset.rows, "final": dataset.rows[part]})


def failed(context: ToolContext, candidate: Candidate, part: Part, report: EvaluationReport) -> Observation:
    """Tell that there is no score, and count it where the final part was met."""
    if part == "selection":
        return Observation(text=report.text, ok=False)
    if context.cancelled():
        return Observation(text="The evaluation was stopped.", ok=False)
    fact = EvaluationFailed(
        call_id=context.call_id,
        train_call_id=candidate.trained.call_id,
        bundle_digest=candidate.bundle_digest,
        weights_digest=candidate.trained.weights_digest,
        dataset_digest=candidate.dataset.digest,
        split=part,
        code=report.code,
    )
    return Observation(text=_FAILED, ok=False, facts=(fact,))


def queried(context: ToolContext, candidate: Candidate, report: EvaluationReport) -> Observation:
    """Answer a query on selection and count it."""
    fact = Queried(
        call_id=context.call_id,
        train_call_id=candidate.trained.call_id,
        bundle_digest=candidate.bundle_digest,
        weights_digest=candidate.trained.weights_digest,
        dataset_digest=candidate.dataset.digest,
        rows=report.rows,
        scores=report.scores,
    )
    count = len(facts(context.records, Queried)) + 1
    text = f"On selection ({report.rows} rows): {_said(report.scores)}. Query {count} of {QUERIES}."
    return Observation(text=f"{text} What counts is the final part: evaluate without `part`.", facts=(fact,))


def counted(context: ToolContext, fact: Evaluated) -> str:
    """Say how many candidates met the final part, from the second on."""
    met: list[Evaluated | EvaluationFailed] = [fact, *facts(context.records, Evaluated)]
    met += facts(context.records, EvaluationFailed)
    times = len({f.bundle_digest for f in met if f.split == "final"})
    return "" if times == 1 else f"\nThe final part has now met {times} candidates; the card says so."


def _said(scores: Sequence[Score]) -> str:
    return "; ".join(f"{s.metric} {s.value:.4f} [{s.low:.4f}, {s.high:.4f}]" for s in scores)
