"""Map, split and store a data set: what code may see in one folder, what only the runtime may see in another."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, TypeAdapter

from ml_intern.core.errors import SandboxError
from ml_intern.core.facts import Column, DataFinding, DatasetPrepared, TaskKind
from ml_intern.core.neutral import one_line
from ml_intern.core.sandbox import Mount
from ml_intern.data.jobs import Desk
from ml_intern.data.source import DatasetSource

TIMEOUT = 1800.0
FILES = (
    "visible/search.parquet",
    "visible/selection.parquet",
    "hidden/inputs/final.parquet",
    "hidden/labels/final.json",
    "hidden/selection/inputs/final.parquet",
    "hidden/selection/labels/final.json",
)
"""The contents that the digest covers, in its order. Each hidden folder has the form that an evaluation takes."""

_Count = Annotated[int, Field(ge=0)]
_Rows = Annotated[int, Field(gt=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRequest:
    """Which columns and which split; empty `inputs` and `target` leave the choice to the proposal.

    `final_fraction` applies where the data set has no official test split with labels. `group` names the column whose
    equal values stay in one part, `time` the one whose latest values become final. `allow` maps checks that would
    refuse the data to the reasons why they may not.
    """

    inputs: tuple[str, ...] = ()
    target: str = ""
    final_fraction: float = 0.2
    seed: int = 0
    group: str = ""
    time: str = ""
    allow: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The two folders of the run; `visible` is `/data` inside, `hidden` is nowhere inside."""

    visible: Path
    hidden: Path

    def place(self, file: str) -> Path:
        """Give the final place of one of `FILES`."""
        side, _, rest = file.partition("/")
        return (self.visible if side == "visible" else self.hidden) / rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """An input column as the parts hold it."""

    name: str
    kind: Literal["image", "text", "integer", "number", "label", "list", "other"]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRows:
    """Rows in each part."""

    search: _Rows
    selection: _Rows
    final: _Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Rows left out: they share with a later part what they must not, or lack a target, a time, a readable input."""

    repeats_final: _Count
    repeats_selection: _Count
    group_of_final: _Count
    group_of_selection: _Count
    not_before_final: _Count
    not_before_selection: _Count
    without_target: _Count
    unreadable: _Count
    without_time: _Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a check found, as the worker says it."""

    check: Literal[
        "label_in_column", "label_in_text", "near_duplicates", "parts_overlap", "group_overlap", "small_final"
    ]
    outcome: Literal["removed", "raised", "noted", "allowed"]
    rows: _Count
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What the worker did. `baseline` is the constant answer that the search part suggests."""

    revision: str | None
    task: TaskKind
    target: str
    classes: tuple[str, ...]
    inputs: tuple[Mapped, ...]
    rows: PartRows
    split: str
    removed: Removed
    findings: tuple[Found, ...]
    baseline: FiniteFloat | Annotated[str, Field(max_length=4000)]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The fact for code, and what else the language model should be told."""

    fact: DatasetPrepared
    preparation: Preparation


_FORM = TypeAdapter(Preparation)


def prepare(desk: Desk, source: DatasetSource, request: PrepareRequest, destination: Destination) -> Prepared:
    """Let a worker split `source`, and put the parts in place file by file; the same request gives the same digest.

    Raises:
        ToolError: columns do not fit, or too few rows remain.
        SandboxError: the sandbox or the worker failed.
    """
    staging = desk.directory / "parts"
    for part in ("visible", "hidden"):
        (staging / part).mkdir(parents=True, exist_ok=True)
    asked = {
        "source": source.request,
        "inputs": list(request.inputs),
        "target": request.target,
        "final_fraction": request.final_fraction,
        "seed": request.seed,
        "group": request.group,
        "time": request.time,
        "allow": dict(request.allow),
        "output": "/parts",
    }
    mounts = (*source.mounts, Mount(source=staging, target="/parts", writable=True))
    preparation = desk.ask("prepare", asked, mounts, _FORM, timeout=TIMEOUT)
    _move(staging, destination)
    fact = _fact(preparation, source, request, _digest(destination))
    _write_description(fact, destination.visible)
    return Prepared(fact=fact, preparation=preparation)


def _move(staging: Path, destination: Destination) -> None:
    """Move the parts out of the staging folder; what an interrupted call has moved already stays where it is.

    The folders stay the same ones, because a running sandbox holds them.
    """
    for file in FILES:
        source, target = staging / file, destination.place(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.exists():
            source.replace(target)
        elif not target.exists():
            raise SandboxError(f"the worker wrote no {file}")
    shutil.rmtree(staging, ignore_errors=True)


def _digest(destination: Destination) -> str:
    whole = hashlib.sha256()
    for file in FILES:
        with destination.place(file).open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()


def _fact(preparation: Preparation, source: DatasetSource, request: PrepareRequest, digest: str) -> DatasetPrepared:
    rows = preparation.rows
    return DatasetPrepared(
        dataset=source.reference,
        revision=preparation.revision or source.revision,
        digest=digest,
        task=preparation.task,
        inputs=tuple(
            Column(name=one_line(column.name, 300), kind=column.kind, detail=one_line(column.detail, 120))
            for column in preparation.inputs
        ),
        target=preparation.target,
        classes=tuple(one_line(name, 300) for name in preparation.classes),
        rows={"search": rows.search, "selection": rows.selection, "final": rows.final},
        seed=request.seed,
        split=one_line(preparation.split, 120),
        removed={reason: count for reason, count in asdict(preparation.removed).items() if count},
        findings=tuple(
            DataFinding(check=f.check, outcome=f.outcome, rows=f.rows, detail=one_line(f.detail, 400))
            for f in preparation.findings
        ),
    )


def _write_description(fact: DatasetPrepared, visible: Path) -> None:
    """Write `dataset.json`, the same that the language model is told, for the code that it writes."""
    described = {
        "dataset": fact.dataset,
        "revision": fact.revision,
        "digest": fact.digest,
        "task": fact.task,
        "inputs": [{"name": c.name, "kind": c.kind, "detail": c.detail} for c in fact.inputs],
        "target": fact.target,
        "classes": list(fact.classes),
        "rows": dict(fact.rows),
        "split": fact.split,
        "load": {part: f"datasets.Dataset.from_parquet('/data/{part}.parquet')" for part in ("search", "selection")},
        "labels": "search has them; those of selection and final are with the runtime",
    }
    temporary = visible / ".dataset.json"
    temporary.write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(visible / "dataset.json")


def render(prepared: Prepared) -> str:
    """Tell the language model how to load the parts, what a row is, who holds which labels, and what was found."""
    fact, preparation = prepared.fact, prepared.preparation
    names = ", ".join(f'"{column.name}": {_yields(column)}' for column in fact.inputs)
    answer = f"int, 0 to {len(fact.classes) - 1}" if fact.classes else _ANSWERS[fact.task]
    lines = [
        f"Prepared {fact.dataset} ({fact.revision[:20]}): {fact.task}, split {fact.split}.",
        f"search {fact.rows['search']} rows, selection {fact.rows['selection']} rows without labels; final "
        f"{fact.rows['final']} rows. The runtime holds the labels of selection and final and scores on them: evaluate.",
        "Load in the session and in training alike; where a script must validate, it holds out a part of search:",
        "  import datasets",
        "  search = datasets.Dataset.from_parquet('/data/search.parquet')",
        f'A row: {{{names}, "{fact.target}": {answer}}}. In predict(network, rows) rows have the inputs only.',
        _classes(fact),
        _removed(preparation.removed),
        *(f"Check {f.check}, {f.outcome}: {f.detail}" for f in fact.findings[:8]),
        *(f"Note: {one_line(note, 300)}" for note in preparation.notes[:3]),
    ]
    return "\n".join(line for line in lines if line)


_ANSWERS = {
    "regression": "float",
    "generation": "str",
    "segmentation": "PIL image of one channel, a class a pixel; predict gives arrays of whole numbers, (height, width)",
}


def _yields(column: Column) -> str:
    words = {"image": "PIL image", "text": "str", "integer": "int", "number": "float", "label": "int", "list": "list"}
    detail = f" ({column.detail})" if column.kind in {"image", "text"} and column.detail else ""
    return words.get(column.kind, "value") + detail


def _classes(fact: DatasetPrepared) -> str:
    if not fact.classes:
        return ""
    shown = ", ".join(f'{position} "{name}"' for position, name in enumerate(fact.classes[:20]))
    more = f" and {len(fact.classes) - 20} more" if len(fact.classes) > 20 else ""
    return f"Classes ({len(fact.classes)}): {shown}{more}; search.features['{fact.target}'].names gives them."


def _removed(removed: Removed) -> str:
    counts = {
        "with the inputs of a final row": removed.repeats_final,
        "with the inputs of a selection row": removed.repeats_selection,
        "with the group of a final row": removed.group_of_final,
        "with the group of a selection row": removed.group_of_selection,
        "not before the first final row": removed.not_before_final,
        "not before the first selection row": removed.not_before_selection,
        "without a time": removed.without_time,
        "without a target": removed.without_target,
        "with an unreadable input": removed.unreadable,
    }
    said = ", ".join(f"{rows} {why}" for why, rows in counts.items() if rows)
    return f"Rows left out: {said}." if said else ""
