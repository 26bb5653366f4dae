"""Evaluate a training: assemble the bundle from what was verified, and score it on hidden labels."""

from __future__ import annotations

from pathlib import Path

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import ContractAgreed, DatasetPrepared, Evaluated, NetworkVerified, Trained
from ml_intern.core.folds import all_facts, facts
from ml_intern.core.messages import Observation
from ml_intern.core.protocols import ToolContext
from ml_intern.evaluation.evaluator import evaluate
from ml_intern.publishing import bundle as bundles
from ml_intern.verification.source import source_digest, source_files


def evaluate_training(context: ToolContext, training: str) -> Observation:
    """Score the training named by its call id, or the newest; the same weights are scored only once."""
    trained = _trained(context, training)
    dataset = _dataset(context, trained)
    bundle = _bundle(context, trained, dataset)
    if known := [f for f in facts(context.records, Evaluated) if f.weights_digest == trained.weights_digest]:
        first = known[-1].scores[0]
        text = f"These weights were scored already: {first.metric} {first.value:.4f}. A part is scored once."
        return Observation(text=text, facts=(known[-1],))
    agreed = facts(context.records, ContractAgreed)
    report = evaluate(
        context.sandboxes(),
        run=context.run,
        directory=context.paths.call(context.call_id) / "evaluation",
        bundle=context.paths.bundle,
        hidden=context.paths.hidden_data,
        dataset=dataset,
        cancelled=context.cancelled,
        metric=agreed[-1].metric if agreed else None,
    )
    if not report.ok:
        return Observation(text=report.text, ok=False)
    fact = Evaluated(
        call_id=context.call_id,
        train_call_id=trained.call_id,
        bundle_digest=bundle.digest,
        weights_digest=trained.weights_digest,
        dataset_digest=dataset.digest,
        split="final",
        rows=report.rows,
        scores=report.scores,
        environment=report.environment,
    )
    return Observation(text=report.text + _counted(context, fact), facts=(fact,))


def _counted(context: ToolContext, fact: Evaluated) -> str:
    """Say how often the final part was used, from the second candidate on."""
    times = len({f.weights_digest for f in facts(context.records, Evaluated)} | {fact.weights_digest})
    return "" if times == 1 else f"\nThe final part has now been scored for {times} candidates; the card says so."


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
    before = known[: known.index(trained)]
    passed = [f for f in before if isinstance(f, NetworkVerified) and f.source_digest == trained.source_digest]
    if not passed:
        raise ToolError("the network of this training has no forward pass")
    return passed[-1]


def _source(context: ToolContext, trained: Trained, network: NetworkVerified) -> dict[str, bytes]:
    """Read the network as it was trained, from the copy that training ran on."""
    copy: Path = context.paths.call(trained.call_id) / "source"
    files = source_files(copy, network.file)
    if source_digest(files) != network.source_digest:
        raise ToolError(f"the source kept of training {trained.call_id} is not what was verified; train again")
    return files
