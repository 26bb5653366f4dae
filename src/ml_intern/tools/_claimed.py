"""Hold what a script says of itself against what was measured; in doubt, against rows of search too."""

from __future__ import annotations

from dataclasses import replace

from ml_intern.core.facts import DatasetPrepared, Finding, Trained
from ml_intern.core.protocols import ToolContext
from ml_intern.data.held import hold
from ml_intern.data.jobs import Desk
from ml_intern.evaluation.evaluator import evaluate
from ml_intern.evaluation.findings import OnSearch, is_doubtful, overclaims
from ml_intern.evaluation.report import EvaluationReport


def judge_claims(
    context: ToolContext, trained: Trained, dataset: DatasetPrepared, report: EvaluationReport
) -> tuple[Finding, ...]:
    """Give the claims that are too good; `report` is of the final part.

    Raises:
        SandboxError: the sandbox failed.
    """
    found = overclaims(trained, report.scores, dataset)
    if found or not is_doubtful(trained, report.scores, dataset):
        return found
    return overclaims(trained, report.scores, dataset, _on_search(context, dataset))


def _on_search(context: ToolContext, dataset: DatasetPrepared) -> OnSearch | None:
    """Score the bundle on rows of search, in a sandbox of its own as ever; None where it cannot be scored there."""
    place = context.paths.call(context.call_id) / "claimed"
    desk = Desk(backend=context.sandboxes(), run=context.run, directory=place / "holding", cancelled=context.cancelled)
    rows = hold(desk, visible=context.paths.visible_data, target=dataset.target, into=place / "held").rows
    report = evaluate(
        context.sandboxes(),
        run=context.run,
        directory=place,
        bundle=context.paths.bundle,
        hidden=place / "held",
        dataset=replace(dataset, rows={**dataset.rows, "final": rows}),
        cancelled=context.cancelled,
    )
    return OnSearch(scores=report.scores, rows=rows) if report.ok else None
