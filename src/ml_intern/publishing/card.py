"""The model card: every number from a fact, the language model's words escaped and in their own fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ml_intern.core.contract import named_alike
from ml_intern.core.facts import DatasetPrepared, Evaluated, FileRead, Kept, Score
from ml_intern.publishing import prose as prose_module
from ml_intern.publishing.bundle import Bundle
from ml_intern.publishing.gates import verified
from ml_intern.publishing.ledger import of_evaluation, over_seeds, progress
from ml_intern.publishing.markdown import bullets, inline, paragraphs, plain, table
from ml_intern.publishing.moved import moved
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
    if dataset.task == "segmentation":
        return "image-segmentation"
    if dataset.task == "generation":
        return "image-to-text" if "image" in kinds else "text-generation"
    if kinds & {"image", "text"}:
        modality = "image" if "image" in kinds else "text"
        return f"{modality}-classification" if dataset.task == "classification" else None
    return f"tabular-{dataset.task}"


def _front_matter(record: ModelRecord, prose: Prose) -> str:
    from huggingface_hub import EvalResult, ModelCardData  # noqa: PLC0415 - slow to import, wanted only here

    dataset = record.dataset
    reference = plain(dataset_reference(dataset.dataset))
    tag, base = pipeline_tag(dataset), record.evaluated.base
    on_hub = _HUB_DATASET.fullmatch(reference) if _COMMIT.fullmatch(dataset.revision) else None
    identifier, config = (on_hub["id"], on_hub["config"]) if on_hub else (reference, None)
    data = ModelCardData(
        license=prose.license,
        library_name="pytorch",
        pipeline_tag=tag,
        tags=["ml-intern", "pytorch", dataset.task],
        datasets=[identifier] if on_hub else None,
        base_model=base.name if base is not None and base.revision else None,
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
    entries = [f"`{inline(e.id)}`" for e in of_evaluation(record.ledger, evaluated)]
    reported = record.trained.reported
    parts = [
        f"The runtime loaded this bundle in a fresh sandbox without network, let it predict the {evaluated.rows:,} "
        f"rows of the part *{inline(evaluated.split)}*, whose labels no training code could read, and scored the "
        f"predictions outside. This run let {candidates} meet that part{_queries(record)}.{_progress(record)} "
        "Intervals are of 95 % and cover the choice of rows; the baseline is the trivial predictor.",
        table(SCORES, (score_cells(score) for score in evaluated.scores)),
        *_positive(record),
        *([f"Entries of the ledger in `provenance.json`: {', '.join(entries)}."] if entries else []),
        *_repeated(evaluated),
        *_controlled(evaluated),
        *_noted(evaluated),
    ]
    if reported:
        parts += [
            "**Self-reported** by the training script, not checked by anyone:",
            _named({name: f"{value:.6g}" for name, value in reported.items()}, "Self-reported"),
        ]
    return "\n\n".join(parts)


def _positive(record: ModelRecord) -> list[str]:
    """Say which of two classes F1 is of."""
    if not any(score.metric == "f1" for score in record.evaluated.scores):
        return []
    return [f"Of the two classes, {inline(record.dataset.classes[1])} is the positive one: f1 is that of this class."]


def _queries(record: ModelRecord) -> str:
    """Say how often selection was asked; nothing of data whose selection labels lay open (an older version's)."""
    return f" and asked for {record.queries} scores on selection, whose labels it kept too" if record.queries else ""


def _progress(record: ModelRecord) -> str:
    """Say how many of the candidates' gains the noise does not explain."""
    counted = progress(record.ledger)
    if counted.candidates < 2:
        return ""
    return (
        f" Of the steps from one candidate to a better one, {counted.gains} exceeded the noise and "
        f"{counted.false_gains} did not."
    )


def _repeated(evaluated: Evaluated) -> list[str]:
    """Show the trainings with other seeds."""
    if not evaluated.seeds:
        return []
    own = evaluated.scores[0]
    rows = [("the published one", f"{own.value:.4f}"), *((f"{s.seed}", f"{s.value:.4f}") for s in evaluated.seeds)]
    mean, low, high = over_seeds(own, [one.value for one in evaluated.seeds])
    return [
        f"The training was repeated with other seeds. {inline(own.metric)} over all {len(rows)} trainings: mean "
        f"{mean:.4f}, 95 % interval of the mean {low:.4f} to {high:.4f}.",
        table(("Seed", inline(own.metric)), rows),
    ]


def _controlled(evaluated: Evaluated) -> list[str]:
    """Show what the training gave on permuted labels."""
    control = evaluated.control
    if control is None:
        return []
    return [
        f"Control: trained on permuted labels, the same script reaches {inline(control.metric)} {control.value:.4f} "
        f"({control.low:.4f} to {control.high:.4f}) on the {evaluated.control_rows:,} rows of selection; chance gives "
        f"{control.baseline:.4f}."
    ]


def _noted(evaluated: Evaluated) -> list[str]:
    """Show what was found and does not forbid publishing."""
    return [f"Noted by the checks: {inline(finding.detail)}" for finding in evaluated.findings]


SCORES = ("Metric", "Value", "95 % interval", "Baseline", "Better is")
"""Heading of the table of scores."""


def score_cells(score: Score) -> tuple[str, ...]:
    """Write a row of the table of scores."""
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
    installed = "".join(f", {inline(f'{p.name}=={p.version}')}" for p in record.installed)
    needs = "torch, safetensors" + ("" if folder else ", huggingface_hub") + installed
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
        **({"samples seen": f"{trained.samples:,}"} if trained.samples else {}),
        **({"state of the weights": inline(trained.weights_state)} if trained.weights_state else {}),
        **{f"recovery {number}": inline(told) for number, told in enumerate(trained.recoveries, 1)},
        "training time": f"{trained.seconds:.1f} s",
        "device": trained.device,
        **({"sandbox": _sandbox(trained.sandbox)} if trained.sandbox else {}),
    }
    watched = (
        f"Reported by the training watch, from within the process of the script:\n\n{_named(training, 'Training')}"
    )
    given = _named(trained.hyperparameters, "Hyperparameter") if trained.hyperparameters else "No hyperparameters."
    proven = verified(record.gates)
    ways = (watched, f"Given to the training script:\n\n{given}", *moved(record.evaluated))
    return "\n\n".join((said, made, architecture, *proven, *ways))


def _asked(record: ModelRecord) -> str:
    constraints = record.contract.constraints if record.contract else ()
    checked = {(one.name, one.value): one for one in record.checked.checks} if record.checked else {}
    fixed = table(
        ("The sentence fixed", "As", "In the words", "Checked by code"),
        (
            (inline(c.name), inline(c.value), inline(c.words), _held(checked.get((c.name, c.value))))
            for c in constraints
        ),
    )
    implied = [one for point, one in checked.items() if point not in {(c.name, c.value) for c in constraints}]
    named = bullets(f"{inline(one.name)} {inline(one.value)}, named in the task: {_held(one)}" for one in implied)
    departed = bullets(
        f"**{inline(d.point)}**: {inline(d.decision)}. Reason: {inline(d.reason)}" for d in record.departures
    )
    return "\n\n".join(
        (
            fixed if constraints else "The sentence fixed no further points.",
            *([named] if named else []),
            f"Departures, and decisions on what it left open, in the words of whoever decided:\n\n{departed}"
            if departed
            else "No departures were recorded.",
            *_followed(record),
        )
    )


def _held(kept: Kept | None) -> str:
    """Say how a point of the contract was held against the training."""
    return "not checked" if kept is None else inline(f"{kept.verdict}: {kept.detail}")


def _followed(record: ModelRecord) -> Iterator[str]:
    """Set what the paper says against what was taken, with the reason where one was given."""
    made = record.followed
    shown = [one for one in made.points if one.point.values] if made else []
    if made is None or not shown:
        return
    said = {"same": "the same", "open": "not compared by code"}
    reasons = [
        next((d.reason for d in record.departures if named_alike(d.point, one.point.name)), "no reason was recorded")
        for one in shown
    ]
    rows = (
        (
            inline(one.point.name),
            inline(f"{', '.join(one.point.values)} (section {one.point.anchor}: {one.point.quotation})"),
            inline(one.ours or "not among arguments and settings"),
            said.get(one.verdict, inline(reason)),
        )
        for one, reason in zip(shown, reasons, strict=True)
    )
    yield f"What the paper [{made.paper}](https://arxiv.org/abs/{made.paper}) says, and what was taken:"
    yield table(("Point", "The paper says", "Taken", "Why"), rows)


def _data(record: ModelRecord) -> str:
    dataset = record.dataset
    columns = ", ".join(inline(f"{c.name} ({c.kind}{', ' + c.detail if c.detail else ''})") for c in dataset.inputs)
    values = {
        "Data set": dataset_reference(dataset.dataset),
        "Revision": dataset.revision,
        "SHA-256 of the parts": dataset.digest,
        **{f"Rows in the part {name}": f"{rows:,}" for name, rows in dataset.rows.items()},
        **({"Split": dataset.split} if dataset.split else {}),
        "Seed of the split": str(dataset.seed),
        "Target": dataset.target,
        "Classes": ", ".join(dataset.classes) or "none",
    }
    checks = bullets(f"**{inline(f.check)}**, {inline(f.outcome)}: {inline(f.detail)}" for f in dataset.findings)
    found = f"\n\nChecks before training found:\n\n{checks}" if checks else ""
    return f"{_named(values, 'Data')}\n\nInput columns: {columns}.{found}{_witnessed(record)}"


def _witnessed(record: ModelRecord) -> str:
    """Say what the training read, and which passages of its sources could make data up."""
    read = bullets(f"{inline(file.name)}: {_read(file)}" for file in record.trained.read)
    doubts = bullets(inline(doubt) for doubt in record.trained.doubts)
    seen = f"\n\nWhat the kernel saw the training read:\n\n{read}" if read else ""
    return f"{seen}\n\nPassages of the sources that could make data up:\n\n{doubts}" if doubts else seen


def _read(file: FileRead) -> str:
    times = "openings not counted" if file.opened is None else f"opened {file.opened} times, read {file.read} times"
    share = "" if file.covered is None else f", a share of {file.covered:.2f} at most"
    return f"{file.bytes:,} bytes, {times}{share}"


def _limits(record: ModelRecord) -> str:
    return bullets(
        (
            "The numbers hold for rows drawn like those of the data set above; for other data they say nothing.",
            "The interval of each metric covers the choice of test rows; the luck of the training is in the interval "
            "over seeds."
            if record.evaluated.seeds
            else f"One training run with one seed on {inline(record.trained.device)}: the interval covers the choice "
            "of test rows, not the luck of the training.",
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
    if record.installed:
        wheels = ((inline(f"{p.name} {p.version}"), inline(p.digest)) for p in record.installed)
        environment += f"\n\n{table(('Installed for this run', 'SHA-256 of the wheel'), wheels)}"
    return (
        f"SHA-256 digests; `provenance.json` has the same facts for machines.\n\n{_named(values, 'Digest of')}"
        f"\n\n{environment}"
    )


def _sandbox(name: str) -> str:
    return "none: nothing kept the code from the rest of the machine" if name == "none" else inline(name)


def _named(values: Mapping[str, str], heading: str) -> str:
    return table((heading, ""), ((inline(name), inline(value)) for name, value in values.items()))
