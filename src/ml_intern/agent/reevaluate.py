"""Evaluate a published model again: prepare its data as its run did, score it, and compare with the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ml_intern.config import Settings
from ml_intern.core.errors import MLInternError, SandboxError, ToolError
from ml_intern.core.events import Record, RunStarted
from ml_intern.core.facts import DatasetPrepared, Score
from ml_intern.core.protocols import RunPaths, ToolContext
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.core.version import VERSION
from ml_intern.evaluation.evaluator import evaluate
from ml_intern.publishing.claims import Claim, judged
from ml_intern.publishing.ledger import Entry, of_evaluation
from ml_intern.publishing.provenance import Provenance
from ml_intern.tools._overruled import CHECK, OF_DATA
from ml_intern.tools.datasets import HuggingFaceDatasets

_COMMIT = re.compile(r"[0-9a-f]{40}")


def evaluation_claims(
    provenance: Provenance,
    bundle: Path,
    backend: SandboxBackend,
    *,
    settings: Settings,
    data: Path | None,
    scratch: Path,
) -> Iterator[Claim]:
    """Give a claim on the data and one for each score; not checkable where the data cannot be had."""
    del settings
    try:
        prepared = _prepare(provenance, backend, data, scratch / "data")
    except SandboxError:
        raise
    except MLInternError as error:
        yield Claim(name="evaluation data", verdict="not checkable", detail=str(error))
        return
    data_claim = _same_data(provenance, prepared)
    yield data_claim
    if data_claim.verdict == "failed":
        yield Claim(name="evaluation", verdict="not checkable", detail="these are other data than those of the ledger")
        return
    report = evaluate(
        backend,
        run="verify",
        directory=scratch / "evaluation",
        bundle=bundle,
        hidden=RunPaths(root=scratch / "data").hidden_data,
        dataset=prepared,
    )
    if not report.ok:
        yield judged("evaluation", report.text, "")
        return
    measured = {score.metric: score for score in report.scores}
    for entry in of_evaluation(provenance.record.ledger, provenance.record.evaluated):
        yield _score(entry, measured.get(entry.metric))


def _prepare(provenance: Provenance, backend: SandboxBackend, data: Path | None, root: Path) -> DatasetPrepared:
    """Call the tool that prepared the data, with the arguments of then, on the data of now.

    Raises:
        ToolError: the data cannot be had.
    """
    reference = _reference(provenance, data)
    task = RunStarted(task=reference, system="", model="verify", version=VERSION)
    context = ToolContext(
        run="verify",
        call_id="prepare",
        paths=RunPaths(root=root),
        records=(Record(seq=0, at=0.0, event=task),),
        sandboxes=lambda: backend,
        allowed=_allowed(provenance),
    )
    for folder in (context.paths.visible_data, context.paths.hidden_data):
        folder.mkdir(parents=True, exist_ok=True)
    arguments: Mapping[str, object] = {**provenance.record.preparation, "dataset": reference}
    prepare = next(tool for tool in HuggingFaceDatasets() if tool.spec.name == "prepare_dataset")
    observation = prepare.run(prepare.parse(arguments), context)
    prepared = [fact for fact in observation.facts if isinstance(fact, DatasetPrepared)]
    if not prepared:
        raise ToolError(observation.text)
    return prepared[-1]


def _allowed(provenance: Provenance) -> dict[str, str]:
    """Give the checks of the data that were overruled then, with the reasons that are on record."""
    points = {made.point.removeprefix(CHECK): made.reason for made in provenance.record.departures}
    return {check: reason for check, reason in points.items() if check in OF_DATA}


def _reference(provenance: Provenance, data: Path | None) -> str:
    """Name the data: the given folder, bundled data, or a Hub data set pinned to the commit of then.

    Raises:
        ToolError: they are of a person's own machine and were not given.
    """
    dataset = provenance.record.dataset
    if data is not None:
        inside = data / Path(dataset.dataset).name
        return str((inside if data.is_dir() and inside.exists() else data).resolve())
    if dataset.dataset.startswith("sklearn/"):
        return dataset.dataset
    if _COMMIT.fullmatch(dataset.revision):
        return f"{dataset.dataset.partition('@')[0]}@{dataset.revision}"
    raise ToolError(f"{dataset.dataset} is no public data set; give its file or folder with --data")


def _same_data(provenance: Provenance, prepared: DatasetPrepared) -> Claim:
    then = provenance.record.dataset
    if prepared.digest == then.digest:
        return judged("evaluation data", "", f"prepared again, the parts have the SHA-256 {then.digest[:16]}…")
    if prepared.revision != then.revision:
        changed = f"the data changed: they are {prepared.revision[:24]}…, then they were {then.revision[:24]}…"
        return judged("evaluation data", changed, "")
    return Claim(
        name="evaluation data",
        verdict="not checkable",
        detail="the files are the same, but prepared again the parts have another digest: other library versions",
    )


def _score(entry: Entry, measured: Score | None) -> Claim:
    name = f"evaluation, {entry.metric}"
    if measured is None:
        return Claim(name=name, verdict="not checkable", detail="this metric's own file is not published")
    again = f"{measured.value:.6g} again, {entry.value:.6g} in the ledger"
    if abs(measured.value - entry.value) <= 1e-9 * max(1.0, abs(entry.value)):
        return judged(name, "", f"{measured.value:.6g}, exactly as in the ledger")
    inside = entry.low <= measured.value <= entry.high
    return judged(name, "" if inside else f"{again}: outside of its interval", f"{again}: within its interval")
