"""Evaluate a training: assemble the bundle from what was verified, and score it on hidden labels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import cast

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import (
    ContractAgreed,
    ContractChecked,
    DatasetPrepared,
    Departed,
    Evaluated,
    Finding,
    NetworkVerified,
    Trained,
)
from ml_intern.core.folds import all_facts, facts, started
from ml_intern.core.followed import PaperCompared, PaperSwept
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import RunPaths, ToolContext
from ml_intern.core.sandbox import GPU
from ml_intern.data.jobs import Desk
from ml_intern.data.recheck import judge, recheck
from ml_intern.evaluation.evaluator import Look, evaluate
from ml_intern.evaluation.report import EvaluationReport
from ml_intern.publishing import bundle as bundles
from ml_intern.publishing.ledger import over_seeds
from ml_intern.publishing.record import arguments_of
from ml_intern.tools import _constraints as constraints
from ml_intern.tools import _custody as custody
from ml_intern.tools import _paper_points as paper_points
from ml_intern.tools._claimed import judge_claims
from ml_intern.tools._control import Controlled, run_control
from ml_intern.tools._lineage import lineage
from ml_intern.tools._own_metric import own_metric
from ml_intern.tools._seeds import Repeated, repeat
from ml_intern.tools._standing import Ahead, Standing
from ml_intern.verification.registry import PROBES
from ml_intern.verification.source import defaults, source_digest, source_files, workspace_name


def evaluate_training(
    context: ToolContext, training: str, part: custody.Part = "final", *, gpu: GPU, timeout: float, ahead: Ahead
) -> Observation:
    """Score the training named by its call id, or the newest, on a part whose labels the runtime holds.

    `ahead` may have the sandboxes for it ready.
    """
    trained = _trained(context, training)
    dataset = _dataset(context, trained)
    bundle = _bundle(context, trained, dataset)
    candidate = custody.Candidate(trained=trained, dataset=dataset, bundle_digest=bundle.digest)
    if known := custody.settled(context, candidate, part):
        return known
    if part == "selection":
        report = _score(context, dataset, context.paths.bundle, look=None, part=part)
        return (
            custody.queried(context, candidate, report)
            if report.ok
            else custody.failed(context, candidate, part, report)
        )
    standing = ahead.take(trained.call_id)
    with ThreadPoolExecutor(1) as beside, standing or nullcontext():
        met = beside.submit(_contamination, context, trained, standing)
        report = _score(context, dataset, context.paths.bundle, look=_look(context, trained), standing=standing)
        contamination = met.result()
    if not report.ok:
        return custody.failed(context, candidate, part, report)
    return _on_final(context, candidate, report, contamination, gpu=gpu, timeout=timeout)


def _contamination(context: ToolContext, trained: Trained, standing: Standing | None) -> tuple[Finding, ...]:
    """Look for final rows in what the training read; what cannot be looked at is told."""
    desk = (
        standing.desk
        if standing
        else Desk(
            backend=context.sandboxes(),
            run=context.run,
            directory=context.paths.call(context.call_id) / "contamination",
            cancelled=context.cancelled,
        )
    )
    paths = context.paths
    source = paths.call(trained.call_id) / "source"
    try:
        met = recheck(
            desk,
            trained,
            visible=paths.visible_data,
            hidden=paths.hidden_data,
            source=source,
            worker=standing.recheck if standing else None,
        )
        return judge(met)
    except ToolError as error:
        return (
            Finding(name="contamination_unchecked", detail=f"What was read was not checked: {error}", refuses=False),
        )


def _on_final(
    context: ToolContext,
    candidate: custody.Candidate,
    report: EvaluationReport,
    contamination: tuple[Finding, ...],
    *,
    gpu: GPU,
    timeout: float,
) -> Observation:
    """Say everything that was proven of a candidate that was scored on the final part."""
    trained, dataset = candidate.trained, candidate.dataset
    origin = lineage(context, trained, report.examined.get("relative_change"))
    claims = (*judge_claims(context, trained, dataset, report), *contamination, *origin.findings)
    repeated = _repeated(context, trained, dataset, report, gpu=gpu, timeout=timeout)
    control = _controlled(context, trained, dataset, report, gpu=gpu, timeout=timeout)
    fact = Evaluated(
        call_id=context.call_id,
        train_call_id=trained.call_id,
        bundle_digest=candidate.bundle_digest,
        weights_digest=trained.weights_digest,
        dataset_digest=dataset.digest,
        split="final",
        rows=report.rows,
        scores=report.scores,
        environment=report.environment,
        findings=(*report.findings, *claims, *repeated.findings, *control.findings),
        examined=report.examined,
        packages=report.packages,
        seconds=report.seconds,
        self_test_digest=_digest(_made(context.paths, context.call_id)),
        metric_digest=_own_digest(context.paths),
        seeds=repeated.scores,
        control=control.score,
        control_rows=control.rows,
        base=origin.base,
    )
    said = (
        _said((*claims, *repeated.findings, *control.findings), context)
        + control.text
        + origin.text(report.examined.get("relative_change"))
    )
    checked = _checked(context, trained, dataset, fact)
    said += constraints.render(checked, facts(context.records, Departed))
    followed, differs = held_to_paper(context, trained)
    said += differs
    text = report.text + said + _over_seeds(fact) + custody.counted(context, fact)
    return Observation(text=text, facts=(fact, checked, *((followed,) if followed else ())))


def _repeated(
    context: ToolContext,
    trained: Trained,
    dataset: DatasetPrepared,
    report: EvaluationReport,
    *,
    gpu: GPU,
    timeout: float,
) -> Repeated:
    """Train and score again with other seeds, where the person asked for it."""
    first = report.scores[0].metric

    def score(place: ToolContext, again: Trained) -> float | str:
        scored = _score(place, dataset, _bundle_again(place, again, trained, dataset), look=None)
        found = [one.value for one in scored.scores if one.metric == first]
        return found[0] if found else scored.text

    if context.seeds < 2 or any(finding.refuses for finding in report.findings):
        return Repeated()
    return repeat(context, trained, score, gpu=gpu, timeout=timeout)


def _controlled(
    context: ToolContext,
    trained: Trained,
    dataset: DatasetPrepared,
    report: EvaluationReport,
    *,
    gpu: GPU,
    timeout: float,
) -> Controlled:
    """Train on permuted labels, where the person asked for it and the model is not refused already."""

    def score(place: ToolContext, again: Trained) -> EvaluationReport:
        return _score(place, dataset, _bundle_again(place, again, trained, dataset), look=None, part="selection")

    if not context.control or any(finding.refuses for finding in report.findings):
        return Controlled()
    return run_control(context, trained, dataset, report.scores, score, gpu=gpu, timeout=timeout)


def _bundle_again(place: ToolContext, again: Trained, trained: Trained, dataset: DatasetPrepared) -> Path:
    """Assemble the bundle of a training that repeats `trained`, in the folder of its own call."""
    network = _network(place, trained)
    folder = place.paths.call(place.call_id) / "bundle"
    weights = place.paths.outputs / place.call_id / "model.safetensors"
    source = _source(place, again, network)
    bundles.build(
        folder, trained=again, network=network, dataset=dataset, source=source, weights=weights, run=place.run
    )
    return folder


def _said(findings: Sequence[Finding], context: ToolContext) -> str:
    """Tell the findings, and which of them keep the model from being published."""
    return "".join(f"\n{_standing(finding, context)}{finding.detail}" for finding in findings)


def _standing(finding: Finding, context: ToolContext) -> str:
    if not finding.refuses:
        return ""
    return "Allowed by the person: " if finding.name in context.allowed else "Cannot be published: "


def _over_seeds(fact: Evaluated) -> str:
    """Say what the repeats gave."""
    if not fact.seeds:
        return ""
    mean, low, high = over_seeds(fact.scores[0], [one.value for one in fact.seeds])
    return (
        f"\nOver {1 + len(fact.seeds)} trainings with different seeds: {fact.scores[0].metric} mean {mean:.4g}, 95 % "
        f"interval {low:.4g} to {high:.4g}. A gain that is smaller than this is none."
    )


def stored_self_test(context: ToolContext, evaluated: Evaluated) -> Path | None:
    """Give the self-test that an evaluation stored, if it did."""
    return _made(context.paths, evaluated.call_id) if evaluated.self_test_digest else None


def _made(paths: RunPaths, call_id: str) -> Path:
    return paths.call(call_id) / "evaluation" / "made" / "selftest.safetensors"


def _digest(file: Path) -> str:
    """Digest what the sandbox wrote; nothing where it is no ordinary file."""
    if file.is_symlink() or not file.is_file():
        return ""
    return bundles.file_digest(file)


def _look(context: ToolContext, trained: Trained) -> Look:
    """Examine the network with the inputs that it was checked with."""
    seed = trained.hyperparameters.get("seed", "")
    inputs = arguments_of(context.records, _network(context, trained)).get("inputs")
    return Look(
        inputs=tuple(cast("list[Mapping[str, object]]", inputs)) if isinstance(inputs, list) else (),
        seed=int(seed) if seed.isdigit() else None,
    )


def _score(
    context: ToolContext,
    dataset: DatasetPrepared,
    bundle: Path,
    *,
    look: Look | None,
    part: custody.Part = "final",
    standing: Standing | None = None,
) -> EvaluationReport:
    agreed = facts(context.records, ContractAgreed)
    directory = context.paths.call(context.call_id) / "evaluation"
    if standing is not None:
        standing.fill(bundle)
    report = evaluate(
        context.sandboxes(),
        run=context.run,
        directory=directory,
        bundle=bundle,
        hidden=custody.folder(context, part),
        dataset=custody.view(dataset, part),
        cancelled=context.cancelled,
        metric=agreed[-1].metric if agreed else None,
        look=look,
        own=own_metric(context.paths),
        explainer=PROBES if part == "selection" else None,
        standing=standing.evaluation if standing else None,
    )
    if standing is not None:
        standing.hand_over(directory / "made")
    return report


def _own_digest(paths: RunPaths) -> str:
    own = own_metric(paths)
    return bundles.file_digest(next(own.folder.glob("*.py"))) if own else ""


def _checked(context: ToolContext, trained: Trained, dataset: DatasetPrepared, fact: Evaluated) -> ContractChecked:
    """Hold what the sentence fixed against this training."""
    agreed = facts(context.records, ContractAgreed)
    proven = constraints.Proven(
        dataset=dataset,
        network=completed(context, trained),
        trained=trained,
        scores=fact.scores,
        source=context.paths.call(trained.call_id) / "source",
    )
    fixed = agreed[-1].constraints if agreed else ()
    opened = started(context.records)
    checked = constraints.check(fixed, proven)
    named = constraints.named_data(opened.task if opened else "", fixed, dataset)
    return replace(checked, checks=(*checked.checks, *named))


def bundled(context: ToolContext, training: str) -> bundles.Bundle:
    """Assemble the bundle of a training anew, in the run's place for it; equal to the one that was evaluated then."""
    trained = _trained(context, training)
    return _bundle(context, trained, _dataset(context, trained))


def _bundle(context: ToolContext, trained: Trained, dataset: DatasetPrepared) -> bundles.Bundle:
    network = _network(context, trained)
    return bundles.build(
        context.paths.bundle,
        trained=trained,
        network=network,
        dataset=dataset,
        source=_source(context, trained, network),
        weights=context.paths.outputs / trained.call_id / "model.safetensors",
        run=context.run,
    )


def _trained(context: ToolContext, training: str) -> Trained:
    made = facts(context.records, Trained)
    chosen = [f for f in made if not training or f.call_id == training]
    if not chosen:
        known = ", ".join(f.call_id for f in made) or "none"
        raise ToolError(f"no training {training!r} ended well; trainings: {known}")
    return chosen[-1]


def _dataset(context: ToolContext, trained: Trained) -> DatasetPrepared:
    prepared = [f for f in facts(context.records, DatasetPrepared) if f.digest == trained.dataset_digest]
    if not prepared:
        raise ToolError("the training did not use data that prepare_dataset made: there is no hidden part to score on")
    return prepared[-1]


def _network(context: ToolContext, trained: Trained) -> NetworkVerified:
    """Give the pass that the training stood on: the last of this source before it, whatever was checked since."""
    known = all_facts(context.records)
    before = known[: known.index(trained)] if trained in known else known  # which a call that still runs is not
    passed = [f for f in before if isinstance(f, NetworkVerified) and f.source_digest == trained.source_digest]
    if not passed:
        raise ToolError("the network of this training has no forward pass")
    return passed[-1]


def held_to_paper(context: ToolContext, trained: Trained) -> tuple[PaperCompared | None, str]:
    """Hold a training against the paper that the run follows, if it follows one, and say where it differs unsaid."""
    if not facts(context.records, PaperSwept):
        return None, ""
    made = paper_points.compared(context.records, completed(context, trained), trained)
    return made, paper_points.render(made, facts(context.records, Departed))


def completed(context: ToolContext, trained: Trained) -> NetworkVerified:
    """Give the network with every argument it was built with: those given, and the defaults of its class."""
    network = _network(context, trained)
    code = _source(context, trained, network)[workspace_name(network.file)]
    given = cast("dict[str, object]", json.loads(network.arguments))
    return replace(network, arguments=json.dumps({**defaults(code, network.class_name), **given}))


def _source(context: ToolContext, trained: Trained, network: NetworkVerified) -> dict[str, bytes]:
    """Read the network as it was trained, from the copy that training ran on."""
    copy: Path = context.paths.call(trained.call_id) / "source"
    files = source_files(copy, network.file)
    if source_digest(files) != network.source_digest:
        raise ToolError(f"the source kept of training {trained.call_id} is not what was verified; train again")
    return files
