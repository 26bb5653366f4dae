"""Load a bundle in a fresh sandbox, predict on hidden inputs, and score in another sandbox that holds the labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_intern.core.errors import SandboxError
from ml_intern.core.facts import DatasetPrepared
from ml_intern.core.sandbox import JobEvent, JobResult, JobSpec, Mount, SandboxBackend, SandboxSpec
from ml_intern.evaluation.metrics import METRICS, find, order
from ml_intern.evaluation.report import (
    TEXT_LIMIT,
    EvaluationReport,
    Failure,
    Predictions,
    read_predictions,
    read_scored,
    render,
    scores_of,
)

WORKERS = Path(__file__).parent / "workers"
INSIDE = "/opt/ml-intern/evaluation"
SCORER_TIMEOUT = 600.0


def evaluate(
    backend: SandboxBackend,
    *,
    run: str,
    directory: Path,
    bundle: Path,
    hidden: Path,
    dataset: DatasetPrepared,
    cancelled: Callable[[], bool] = lambda: False,
    metric: str | None = None,
    timeout: float = 1800.0,
) -> EvaluationReport:
    """Score `bundle` on the hidden part of `dataset`.

    The same `directory` again attaches to the jobs that ran there, so a resumed call gives the same report.

    Args:
        backend: opens the two sandboxes.
        run: identifier of the run.
        directory: where the two jobs keep their files, one for each call.
        bundle: `modeling.py`, `config.json` and `model.safetensors`.
        hidden: holds `inputs/` and `labels/` as `prepare` wrote them.
        dataset: what `prepare` said of them.
        cancelled: whether the person asked to stop.
        metric: named first in the result; None, or one that is not computed, means accuracy or RMSE.
        timeout: seconds for all predictions.

    Raises:
        SandboxError: a sandbox or the scorer failed; says nothing about the bundle.
    """
    jobs = _Jobs(backend=backend, run=run, directory=directory, hidden=hidden, dataset=dataset, cancelled=cancelled)
    predicted = jobs.predict(bundle, timeout)
    if isinstance(predicted, Failure):
        return EvaluationReport(text=f"The bundle cannot be evaluated: {_printable(predicted.reason)}"[:TEXT_LIMIT])
    return _scored(jobs, predicted, metric)


def _scored(jobs: _Jobs, predicted: Predictions, metric: str | None) -> EvaluationReport:
    """Let the scorer compare, check what it says, and put the wanted metric first."""
    dataset = jobs.dataset
    ended = jobs.score(predicted)
    if ended.reason == "stopped":
        return EvaluationReport(text="The evaluation was stopped before the scores were known.")
    if not ended.ok:
        raise SandboxError(f"the scorer failed ({ended.reason or f'exit {ended.exit_code}'}): {ended.output[-500:]}")
    scored = read_scored(ended.reports, dataset)
    first = find(dataset.task, metric) if metric else next(iter(METRICS[dataset.task]))
    scores = order(scores_of(scored, dataset.task), first)
    note = "" if first else f"The runtime does not compute {metric!r:.60}; {scores[0].metric} stands first instead."
    return EvaluationReport(
        text=render(scores, dataset, note), scores=scores, rows=scored.rows, environment=dict(scored.environment)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Jobs:
    """The two jobs of one evaluation; what one mounts the other never sees."""

    backend: SandboxBackend
    run: str
    directory: Path
    hidden: Path
    dataset: DatasetPrepared
    cancelled: Callable[[], bool]

    def predict(self, bundle: Path, timeout: float) -> Predictions | Failure:
        """Run the code of the bundle on the hidden inputs."""
        request = {"bundle": "/bundle", "inputs": "/inputs", "classes": self.dataset.classes}
        mounts = (Mount(source=bundle, target="/bundle"), Mount(source=self.hidden / "inputs", target="/inputs"))
        ended = self._start("predict", request, mounts, timeout)
        predicted = read_predictions(ended.reports, self.dataset)
        if ended.ok or (isinstance(predicted, Failure) and ended.exit_code is not None and ended.reports):
            return predicted
        how = _how(ended, timeout)
        return Failure(reason=f"{how} before all rows were predicted. Its last output: {ended.output[-500:].strip()}")

    def score(self, predicted: Predictions) -> JobResult:
        """Compare with the hidden labels."""
        request = {"labels": "/labels", "classes": self.dataset.classes, "predictions": predicted.values}
        mounts = (Mount(source=self.hidden / "labels", target="/labels"),)
        return self._start("score", request, mounts, SCORER_TIMEOUT)

    def _start(
        self, worker: str, request: Mapping[str, object], mounts: tuple[Mount, ...], timeout: float
    ) -> JobResult:
        directory = self.directory / worker
        directory.mkdir(parents=True, exist_ok=True)
        spec = SandboxSpec(
            run=self.run, mounts=(*mounts, Mount(source=WORKERS, target=INSIDE)), working_directory="/tmp"
        )
        argv = ("python", "-I", f"{INSIDE}/{worker}.py")
        job = JobSpec(directory=directory, argv=argv, stdin=json.dumps(request).encode(), timeout=timeout)
        return self.backend.start(spec, job).wait(on_event=_unseen, cancelled=self.cancelled)


def _how(ended: JobResult, timeout: float) -> str:
    if ended.exit_code is not None:
        return f"it exited with status {ended.exit_code}"
    ways = {
        "timeout": f"it ran longer than {timeout:g} s",
        "memory": "it ran out of memory",
        "stopped": "it was stopped",
    }
    return ways.get(ended.reason or "", f"it was ended ({ended.reason})")


def _printable(text: str) -> str:
    return "".join(character for character in text if character == "\n" or character.isprintable())


def _unseen(event: JobEvent) -> None:
    """Show nothing: predictions are no output for a person."""
    del event
