"""Map, split and store a data set: what code may see in one folder, what only the runtime may see in another."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, TypeAdapter

from ml_intern.core.errors import SandboxError
from ml_intern.core.facts import Column, DatasetPrepared
from ml_intern.core.sandbox import Mount
from ml_intern.data.jobs import Desk
from ml_intern.data.neutral import plain
from ml_intern.data.source import DatasetSource

TIMEOUT = 1800.0
FILES = (
    "visible/search.parquet",
    "visible/selection.parquet",
    "hidden/inputs/final.parquet",
    "hidden/labels/final.json",
)
"""The four contents that the digest covers, in its order."""

_Count = Annotated[int, Field(ge=0)]
_Rows = Annotated[int, Field(gt=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRequest:
    """Which columns and which split; empty `inputs` and `target` leave the choice to the proposal.

    `final_fraction` applies where the data set has no official test split with labels.
    """

    inputs: tuple[str, ...] = ()
    target: str = ""
    final_fraction: float = 0.2
    seed: int = 0


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
    """Rows left out: inputs that another part has, no target, or an input that cannot be read."""

    repeats_final: _Count
    repeats_selection: _Count
    without_target: _Count
    unreadable: _Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What the worker did. `baseline` is the constant answer that the search part suggests."""

    revision: str | None
    task: Literal["classification", "regression"]
    target: str
    classes: tuple[str, ...]
    inputs: tuple[Mapped, ...]
    rows: PartRows
    split: Literal["official", "by seed"]
    removed: Removed
    baseline: FiniteFloat
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
            Column(name=plain(column.name), kind=column.kind, detail=plain(column.detail, 120))
            for column in preparation.inputs
        ),
        target=preparation.target,
        classes=tuple(plain(name) for name in preparation.classes),
        rows={"search": rows.search, "selection": rows.selection, "final": rows.final},
        seed=request.seed,
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
        "load": {part: f"datasets.Dataset.from_parquet('/data/{part}.parquet')" for part in ("search", "selection")},
    }
    temporary = visible / ".dataset.json"
    temporary.write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(visible / "dataset.json")


def render(prepared: Prepared) -> str:
    """Tell the language model how to load the parts, what a row is, and who holds the final part."""
    fact, preparation = prepared.fact, prepared.preparation
    names = ", ".join(f'"{column.name}": {_yields(column)}' for column in fact.inputs)
    answer = f"int, 0 to {len(fact.classes) - 1}" if fact.classes else "float"
    lines = [
        f"Prepared {fact.dataset} ({fact.revision[:20]}): {fact.task}, split {preparation.split}, seed {fact.seed}.",
        f"search {fact.rows['search']} rows, selection {fact.rows['selection']} rows; final {fact.rows['final']} rows, "
        "whose labels the runtime holds: it scores the finished network on them.",
        "Load in the sandbox, in the session and in training alike:",
        "  import datasets",
        "  search = datasets.Dataset.from_parquet('/data/search.parquet')",
        "  selection = datasets.Dataset.from_parquet('/data/selection.parquet')",
        f'A row: {{{names}, "{fact.target}": {answer}}}. In predict(network, rows) rows have the inputs only.',
        _classes(fact),
        _removed(preparation.removed),
        *(f"Note: {plain(note)}" for note in preparation.notes[:3]),
    ]
    return "\n".join(line for line in lines if line)


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
        "without a target": removed.without_target,
        "with an unreadable input": removed.unreadable,
    }
    said = ", ".join(f"{rows} {why}" for why, rows in counts.items() if rows)
    return f"Rows left out: {said}." if said else ""
