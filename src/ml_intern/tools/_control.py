"""The permuted-label control on demand: train the same script on shuffled labels and see it fall to chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import DatasetPrepared, Finding, Score, Trained
from ml_intern.core.protocols import ToolContext
from ml_intern.core.sandbox import GPU
from ml_intern.data.control import permuted
from ml_intern.data.jobs import Desk
from ml_intern.evaluation.control import control_score, judge_control
from ml_intern.evaluation.report import EvaluationReport
from ml_intern.tools._again import train_again


@dataclass(frozen=True, slots=True, kw_only=True)
class Controlled:
    """The score of the control on `rows` rows of selection; a finding where it is not chance, or there is none."""

    score: Score | None = None
    rows: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def text(self) -> str:
        """What the language model is told beside the findings."""
        if self.score is None or self.findings:
            return ""
        return (
            f"\nControl: trained on permuted labels, the same script falls to chance: {self.score.metric} "
            f"{self.score.value:.4g} [{self.score.low:.4g}, {self.score.high:.4g}], baseline {self.score.baseline:.4g}."
        )


def run_control(
    context: ToolContext,
    trained: Trained,
    dataset: DatasetPrepared,
    measured: tuple[Score, ...],
    score: Callable[[ToolContext, Trained], EvaluationReport],
    *,
    gpu: GPU,
    timeout: float,
) -> Controlled:
    """Train on permuted labels in a folder of this call's own, which a resumed call finds again, and judge.

    Args:
        context: of the call that evaluates.
        trained: the training to repeat.
        dataset: its data.
        measured: the scores of the real training.
        score: evaluates the control on selection, with the context of its folder.
        gpu: as the training itself had.
        timeout: seconds.

    Raises:
        SandboxError: the sandbox failed, whatever the script did.
    """
    place = replace(context, call_id=f"{context.call_id}-control")
    parts = context.paths.call(place.call_id) / "permuted"
    desk = Desk(
        backend=context.sandboxes(),
        run=context.run,
        directory=context.paths.call(place.call_id) / "permuting",  # `data` is the copy that is witnessed
        cancelled=context.cancelled,
    )
    try:
        permuted(
            desk,
            visible=context.paths.visible_data,
            target=dataset.target,
            seed=int(dataset.digest[:8], 16),
            into=parts,
        )
    except ToolError as error:
        return _without(str(error))
    again = train_again(place, trained, {}, gpu=gpu, timeout=timeout, data=parts)
    if isinstance(again, str):
        return _without(again)
    report = score(place, again)
    return _judged(report, measured, dataset) if report.ok else _without(report.text)


def _judged(report: EvaluationReport, measured: tuple[Score, ...], dataset: DatasetPrepared) -> Controlled:
    control = control_score(report.scores, dataset.task)
    found = judge_control(control, control_score(measured, dataset.task), report.rows)
    return Controlled(score=control, rows=report.rows, findings=(found,) if found else ())


def _without(why: str) -> Controlled:
    said = " ".join(why.split())[:300]
    detail = f"The control on permuted labels gave no score: {said}"
    return Controlled(findings=(Finding(name="control_failed", detail=detail, refuses=False),))
