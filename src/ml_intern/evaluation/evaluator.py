"""Load a bundle in a fresh sandbox, predict on hidden inputs, and score in another sandbox that holds the labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ml_intern.core.errors import SandboxError
from ml_intern.core.facts import DatasetPrepared, Finding, Score
from ml_intern.core.neutral import neutral
from ml_intern.core.sandbox import Job, JobEvent, JobResult, JobSpec, Mount, SandboxBackend, SandboxSpec, has_walls
from ml_intern.evaluation.findings import examine
from ml_intern.evaluation.metrics import CHANCES, METRICS, find, order
from ml_intern.evaluation.report import (
    TEXT_LIMIT,
    EvaluationReport,
    Failure,
    Predictions,
    Wanted,
    read_predictions,
    read_scored,
    render,
    scores_of,
)

WORKERS = Path(__file__).parent / "workers"
INSIDE = "/opt/ml-intern/evaluation"
EXPLAINER = "/opt/ml-intern/probes"
SCORER_TIMEOUT = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What to look at besides the predictions.

    Attributes:
        inputs: of `forward`, as the network was checked with them: `{"shape", "dtype", "high"}` each; with them a
            self-test is stored in `made`.
        seed: of the training, if it had one.
    """

    inputs: tuple[Mapping[str, object], ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMetric:
    """A function `name(labels, predictions) -> float` in the one Python file of `folder`."""

    folder: Path
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The two sandboxes of one evaluation, which have loaded their libraries and wait; no code of a bundle ran in them.

    `bundle` is the folder that the predictor sees, `made` the one that it may write to, where it examines. Without
    walls there is no scorer yet: it holds the labels.
    """

    predictor: Job
    scorer: Job | None
    bundle: Path
    made: Path | None
    timeout: float

    def dismiss(self) -> None:
        """End what was not needed; safe to call twice."""
        self.predictor.stop("not needed")
        if self.scorer is not None:
            self.scorer.stop("not needed")


def stand_by(
    backend: SandboxBackend,
    *,
    run: str,
    directory: Path,
    bundle: Path,
    hidden: Path,
    own: OwnMetric | None = None,
    examines: bool = False,
    timeout: float = 1800.0,
    explainer: Path | None = None,
) -> Standing:
    """Start the sandboxes of an evaluation ahead of it; the arguments are those of `evaluate`.

    The folder `bundle` must be there, and may be filled until `evaluate`.

    Raises:
        SandboxError: one cannot start.
    """
    jobs = _Jobs(backend=backend, run=run, directory=directory, hidden=hidden)
    made = directory / "made" if examines else None
    predictor = jobs.predictor(bundle, made, explainer, timeout)
    scorer = jobs.scorer(own) if has_walls(backend) else None
    return Standing(predictor=predictor, scorer=scorer, bundle=bundle, made=made, timeout=timeout)


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
    look: Look | None = None,
    own: OwnMetric | None = None,
    timeout: float = 1800.0,
    explainer: Path | None = None,
    standing: Standing | None = None,
) -> EvaluationReport:
    """Score `bundle` on the hidden part of `dataset`.

    The same `directory` again attaches to the jobs that ran there, so a resumed call gives the same report.

    Args:
        backend: opens the two sandboxes.
        run: identifier of the run.
        directory: where the two jobs keep their files, one for each call; `made/` holds the self-test.
        bundle: `modeling.py`, `config.json` and `model.safetensors`.
        hidden: holds `inputs/` and `labels/` as `prepare` wrote them.
        dataset: what `prepare` said of them.
        cancelled: whether the person asked to stop.
        metric: named first in the result; None, or one that is not computed, means accuracy or RMSE.
        look: examine the network too; None means that only the predictions count.
        own: the person's metric, which stands first.
        timeout: seconds for all predictions.
        explainer: the folder `probes`, which explains errors of the bundle with operands and layer; they may show
            values of hidden inputs, so only where those may be told.
        standing: what `stand_by` gave for the same arguments, with the bundle in its folder; used once.

    Raises:
        SandboxError: a sandbox or the scorer failed; says nothing about the bundle.
    """
    standing = standing or stand_by(
        backend,
        run=run,
        directory=directory,
        bundle=bundle,
        hidden=hidden,
        own=own,
        examines=look is not None,
        timeout=timeout,
        explainer=explainer,
    )
    jobs = _Jobs(backend=backend, run=run, directory=directory, hidden=hidden)
    asking = _Asking(jobs=jobs, standing=standing, dataset=dataset, cancelled=cancelled, own=own)
    try:
        predicted = asking.predict(look)
        if isinstance(predicted, Failure):
            text = f"The bundle cannot be evaluated: {neutral(predicted.reason)}"[:TEXT_LIMIT]
            return EvaluationReport(text=text, code=predicted.code)
        return _scored(asking, predicted, metric)
    finally:
        standing.dismiss()


def _scored(asking: _Asking, predicted: Predictions, metric: str | None) -> EvaluationReport:
    """Let the scorer compare, check what it says, and put the wanted metric first."""
    dataset = asking.dataset
    ended = asking.score(predicted)
    if ended.reason == "stopped":
        return EvaluationReport(text="The evaluation was stopped before the scores were known.")
    if not ended.ok:
        raise SandboxError(f"the scorer failed ({ended.reason or f'exit {ended.exit_code}'}): {ended.output[-500:]}")
    wanted = Wanted(chances=bool(predicted.chances), own=asking.own.name if asking.own else "")
    scored = read_scored(ended.reports, dataset, wanted)
    first = wanted.own or (find(dataset, metric) if metric else None)
    known = first if first in wanted.names(dataset) else None
    scores = order(scores_of(scored, dataset), known or next(iter(METRICS[dataset.task])))
    findings = examine(predicted.values, predicted.examined)
    return EvaluationReport(
        text=render(scores, dataset, *_warnings(findings), _note(metric, known, scores[0], dataset)),
        scores=scores,
        rows=scored.rows,
        environment=dict(scored.environment),
        packages=scored.packages,
        examined=predicted.examined,
        findings=findings,
        predictions=predicted.values,
        seconds=predicted.seconds + ended.seconds,
    )


def _warnings(findings: Sequence[Finding]) -> list[str]:
    return [f"Cannot be published: {finding.detail}" for finding in findings if finding.refuses]


def _note(metric: str | None, known: str | None, first: Score, dataset: DatasetPrepared) -> str:
    if not metric or known:
        return ""
    if find(dataset, metric) in CHANCES:
        return f"For {metric!r:.60} define predict_proba(network, rows) too; {first.metric} stands first instead."
    return f"The runtime does not compute {metric!r:.60}; {first.metric} stands first instead."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Jobs:
    """The two jobs of one evaluation, held until they are asked; what one mounts the other never sees."""

    backend: SandboxBackend
    run: str
    directory: Path
    hidden: Path

    def predictor(self, bundle: Path, made: Path | None, explainer: Path | None, timeout: float) -> Job:
        """Start what will run the code of the bundle on the hidden inputs."""
        mounts: tuple[Mount, ...] = (
            Mount(source=bundle, target="/bundle"),
            Mount(source=self.hidden / "inputs", target="/inputs"),
        )
        if made is not None:
            made.mkdir(parents=True, exist_ok=True)
            mounts = (*mounts, Mount(source=made, target="/made", writable=True))
        if explainer is not None:
            mounts = (*mounts, Mount(source=explainer, target=EXPLAINER))
        return self._start("predict", mounts, timeout)

    def scorer(self, own: OwnMetric | None) -> Job:
        """Start what will compare with the hidden labels."""
        mounts = (Mount(source=self.hidden / "labels", target="/labels"),)
        metric = (Mount(source=own.folder, target="/metric"),) if own else ()
        return self._start("score", (*mounts, *metric), SCORER_TIMEOUT)

    def _start(self, worker: str, mounts: tuple[Mount, ...], timeout: float) -> Job:
        directory = self.directory / worker
        directory.mkdir(parents=True, exist_ok=True)
        spec = SandboxSpec(
            run=self.run,
            mounts=(*mounts, Mount(source=WORKERS, target=INSIDE)),
            working_directory="/tmp",
            has_packages=worker == "predict",
        )
        argv = ("python", "-I", f"{INSIDE}/{worker}.py")
        return self.backend.start(spec, JobSpec(directory=directory, argv=argv, timeout=timeout, held=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    """What the two jobs are asked, one after the other."""

    jobs: _Jobs
    standing: Standing
    dataset: DatasetPrepared
    cancelled: Callable[[], bool]
    own: OwnMetric | None

    def predict(self, look: Look | None) -> Predictions | Failure:
        """Run the code of the bundle on the hidden inputs."""
        request: dict[str, object] = {
            "bundle": "/bundle",
            "inputs": "/inputs",
            "task": self.dataset.task,
            "classes": self.dataset.classes,
        }
        if look is not None:
            request["examine"] = {"inputs": [dict(one) for one in look.inputs], "made": "/made", "seed": look.seed}
        ended = self._ask(self.standing.predictor, request)
        predicted = read_predictions(ended.reports, self.dataset)
        if isinstance(predicted, Predictions) and ended.ok:
            return replace(predicted, seconds=ended.seconds)
        if isinstance(predicted, Failure) and ended.exit_code is not None and ended.reports:
            return predicted
        how = _how(ended, self.standing.timeout)
        return Failure(reason=f"{how} before all rows were predicted. Its last output: {ended.output[-500:].strip()}")

    def score(self, predicted: Predictions) -> JobResult:
        """Compare with the hidden labels."""
        request: dict[str, object] = {
            "labels": "/labels",
            "task": self.dataset.task,
            "classes": self.dataset.classes,
            "predictions": predicted.values,
            "chances": predicted.chances,
            "own": self.own.name if self.own else "",
        }
        return self._ask(self.standing.scorer or self.jobs.scorer(self.own), request)

    def _ask(self, job: Job, request: Mapping[str, object]) -> JobResult:
        job.hand(json.dumps(request).encode())
        return job.wait(on_event=unseen, cancelled=self.cancelled)


def _how(ended: JobResult, timeout: float) -> str:
    if ended.exit_code is not None:
        return f"it exited with status {ended.exit_code}"
    ways = {
        "timeout": f"it ran longer than {timeout:g} s",
        "memory": "it ran out of memory",
        "stopped": "it was stopped",
    }
    return ways.get(ended.reason or "", f"it was ended ({ended.reason})")


def unseen(event: JobEvent) -> None:
    """Show nothing: predictions are no output for a person."""
    del event
