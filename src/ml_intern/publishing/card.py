"""The model card: every number from a fact, the language model's words escaped and in their own fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ml_intern.core.facts import DatasetPrepared, Score
from ml_intern.publishing import prose as prose_module
from ml_intern.publishing.bundle import Bundle
from ml_intern.publishing.markdown import bullets, inline, paragraphs, plain, table
from ml_intern.publishing.prose import Prose
from ml_intern.publishing.record import ModelRecord
from ml_intern.publishing.snippet import usage

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_DATASET = re.compile(r"(?P<id>[\w.-]{1,96}(?:/[\w.-]{1,96})?)(?::(?P<config>[\w.-]+))?(?:@[\w./-]+)?")


def render(record: ModelRecord, prose: Prose, *, bundle: Bundle, repository: str, folder: Path | None = None) -> str:
    """Write the card (README.md) of `bundle`.

    Args:
        record: what was proven.
        prose: what the language model wrote.
        bundle: what is published.
        repository: `namespace/name`.
        folder: set where the publication is a folder of this machine.

    Raises:
        ToolError: the prose states a number that no fact has.
    """
    prose_module.check(prose, record)
    sections = [
        f"# {inline(prose.title)}",
        _what_it_is(record),
        paragraphs(prose.summary),
        "## Intended use",
        paragraphs(prose.intended_use),
        "## Evaluation",
        _evaluation(record),
        "## How to use",
        _how_to_use(record, bundle, repository, folder),
        "## How it was made",
        _how_it_was_made(record),
        "## What was asked, and departures from it",
        _asked(record),
        "## Data",
        _data(record),
        "## Limits",
        paragraphs(prose.limitations),
        _limits(record),
        "## Provenance",
        _provenance(record, bundle),
    ]
    return f"---\n{_front_matter(record, prose)}\n---\n\n" + "\n\n".join(sections) + "\n"


def dataset_reference(dataset: str) -> str:
    """Name the data without telling where files lie on this machine."""
    return Path(dataset).name if dataset.startswith(("/", "./", "../", "~")) else dataset


def pipeline_tag(dataset: DatasetPrepared) -> str | None:
    """Give the Hub's name of the task, or None where it has none."""
    kinds = {column.kind for column in dataset.inputs}
    if kinds & {"image", "text"}:
        modality = "image" if "image" in kinds else "text"
        return f"{modality}-classification" if dataset.task == "classification" else None
    return f"tabular-{dataset.task}"


def _front_matter(record: ModelRecord, prose: Prose) -> str:
    from huggingface_hub import EvalResult, ModelCardData  # noqa: PLC0415 - slow to import, wanted only here

    dataset = record.dataset
    reference = plain(dataset_reference(dataset.dataset))
    tag = pipeline_tag(dataset)
    on_hub = _HUB_DATASET.fullmatch(reference) if _COMMIT.fullmatch(dataset.revision) else None
    identifier, config = (on_hub["id"], on_hub["config"]) if on_hub else (reference, None)
    data = ModelCardData(
        license=prose.license,
        library_name="pytorch",
        pipeline_tag=tag,
        tags=["ml-intern", "pytorch", dataset.task],
        datasets=[identifier] if on_hub else None,
        metrics=[plain(score.metric) for score in record.evaluated.scores],
        model_name=plain(prose.title),
        eval_results=[
            EvalResult(
                task_type=tag or dataset.task,
                dataset_type=identifier,
                dataset_name=reference,
                dataset_config=config,
                dataset_split=plain(record.evaluated.split),
                dataset_revision=plain(dataset.revision),
                metric_type=plain(score.metric),
                metric_value=score.value,
                metric_name=f"{plain(score.metric)} on a part that training never saw",
            )
            for score in record.evaluated.scores
        ],
    )
    return data.to_yaml()  # pyright: ignore[reportUnknownMemberType] - a parameter has no annotation


def _what_it_is(record: ModelRecord) -> str:
    network, dataset = record.network, record.dataset
    task = f"classification into {len(dataset.classes)} classes" if dataset.classes else dataset.task
    return (
        f"A PyTorch network, `{network.class_name}` with {network.parameters:,} parameters, for {task}, trained on "
        f"{inline(dataset_reference(dataset.dataset))}."
    )


def _evaluation(record: ModelRecord) -> str:
    evaluated = record.evaluated
    candidates = "one candidate" if record.candidates == 1 else f"{record.candidates} candidates"
    reported = record.trained.reported
    parts = [
        f"The runtime loaded this bundle in a fresh sandbox without network, let it predict the {evaluated.rows:,} "
        f"rows of the part *{inline(evaluated.split)}*, whose labels no training code could read, and scored the "
        f"predictions outside. This run scored that part for {candidates}. Intervals are 95 % bootstrap intervals; the "
        "baseline is the trivial predictor.",
        table(
            ("Metric", "Value", "95 % interval", "Baseline", "Better is"),
            (_score(score) for score in evaluated.scores),
        ),
    ]
    if reported:
        parts += [
            "**Self-reported** by the training script, not checked by anyone:",
            _named({name: f"{value:.6g}" for name, value in reported.items()}, "Self-reported"),
        ]
    return "\n\n".join(parts)


def _score(score: Score) -> tuple[str, ...]:
    interval = f"{score.low:.4f} to {score.high:.4f}"
    better = "higher" if score.higher_is_better else "lower"
    return inline(score.metric), f"{score.value:.4f}", interval, f"{score.baseline:.4f}", better


def _how_to_use(record: ModelRecord, bundle: Bundle, repository: str, folder: Path | None) -> str:
    where = (
        "This model was published to a folder of one machine; change the path where you copied it."
        if folder
        else (
            "`main` is what this card describes as long as the weights have the digest under *Provenance*; pin a "
            "commit for anything that must not change."
        )
    )
    code = usage(record, repository=repository, folder=folder)
    needs = "torch, safetensors" + ("" if folder else ", huggingface_hub")
    modules = [f"`{inline(name)}`" for name in bundle.files if name.endswith(".py")]
    return (
        f"Needs {needs} and what {' and '.join(modules)} import{'s' if len(modules) == 1 else ''}. Loading runs that "
        f"code on your machine: read it first. {where}\n\n```python\n{code}\n```"
    )


def _how_it_was_made(record: ModelRecord) -> str:
    network, trained = record.network, record.trained
    said = f"The task, in the words of the person:\n\n> {inline(record.sentence)}"
    made = (
        f"Made by ml-intern {inline(record.version)}, run `{inline(record.run)}`. Decisions by: {inline(record.brain)}."
    )
    shapes = ", ".join(inline(shape) for shape in network.input_shapes)
    architecture = table(
        ("Architecture", ""),
        (
            ("Class", f"`{network.class_name}`"),
            ("Constructor arguments", inline(network.arguments)),
            ("Parameters", f"{network.parameters:,}"),
            ("Verified input shapes", shapes),
            ("Verified output shape", inline(network.output_shape)),
        ),
    )
    loss = "not seen" if trained.last_loss is None else f"{trained.last_loss:.6g}"
    training = {
        "optimizer": trained.optimizer,
        "optimizer steps": f"{trained.steps:,}",
        "loss of the last batch": loss,
        "training time": f"{trained.seconds:.1f} s",
        "device": trained.device,
    }
    watched = (
        f"Reported by the training watch, from within the process of the script:\n\n{_named(training, 'Training')}"
    )
    given = _named(trained.hyperparameters, "Hyperparameter") if trained.hyperparameters else "No hyperparameters."
    return "\n\n".join((said, made, architecture, watched, f"Given to the training script:\n\n{given}"))


def _asked(record: ModelRecord) -> str:
    constraints = record.contract.constraints if record.contract else ()
    fixed = table(
        ("The sentence fixed", "As", "In the words"),
        ((inline(c.name), inline(c.value), inline(c.words)) for c in constraints),
    )
    departed = bullets(
        f"**{inline(d.point)}**: {inline(d.decision)}. Reason: {inline(d.reason)}" for d in record.departures
    )
    return "\n\n".join(
        (
            fixed if constraints else "The sentence fixed no further points.",
            f"Departures, and decisions on what it left open, in the words of whoever decided:\n\n{departed}"
            if departed
            else "No departures were recorded.",
        )
    )


def _data(record: ModelRecord) -> str:
    dataset = record.dataset
    columns = ", ".join(inline(f"{c.name} ({c.kind}{', ' + c.detail if c.detail else ''})") for c in dataset.inputs)
    values = {
        "Data set": dataset_reference(dataset.dataset),
        "Revision": dataset.revision,
        "SHA-256 of the parts": dataset.digest,
        **{f"Rows in the part {name}": f"{rows:,}" for name, rows in dataset.rows.items()},
        "Seed of the split": str(dataset.seed),
        "Target": dataset.target,
        "Classes": ", ".join(dataset.classes) or "none",
    }
    return f"{_named(values, 'Data')}\n\nInput columns: {columns}."


def _limits(record: ModelRecord) -> str:
    return bullets(
        (
            "The numbers hold for rows drawn like those of the data set above; for other data they say nothing.",
            f"One training run with one seed on {inline(record.trained.device)}: the interval covers the choice of "
            "test rows, not the luck of the training.",
        )
    )


def _provenance(record: ModelRecord, bundle: Bundle) -> str:
    values = {
        "Bundle": bundle.digest,
        "Network source": record.network.source_digest,
        "Training script": record.trained.script_digest,
        "Weights": record.trained.weights_digest,
        "Data": record.dataset.digest,
        **{f"File {name}": digest for name, digest in bundle.files.items()},
    }
    environment = _named(record.evaluated.environment, "Evaluated with")
    return (
        f"SHA-256 digests; `provenance.json` has the same facts for machines.\n\n{_named(values, 'Digest of')}"
        f"\n\n{environment}"
    )


def _named(values: Mapping[str, str], heading: str) -> str:
    return table((heading, ""), ((inline(name), inline(value)) for name, value in values.items()))
