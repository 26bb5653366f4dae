"""Contamination once more, before publishing: the final rows against what a training has really read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from ml_intern.core.facts import Finding, Trained
from ml_intern.core.neutral import one_line
from ml_intern.core.sandbox import Job, Mount
from ml_intern.data.jobs import Desk

TIMEOUT = 600.0
FEW = 3
"""Rows almost like a final one, or written in a source, that an example in a comment explains."""
SHARE = 0.01

_Count = Annotated[int, Field(ge=0)]
_Rows = tuple[Annotated[str, Field(max_length=400)], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """Final rows that were met: equal ones and near ones in files, and those written in sources; the first by name."""

    rows: _Count
    equal: _Count
    equal_rows: _Rows
    near: _Count
    near_rows: _Rows
    written: _Count
    written_rows: _Rows


_FORM = TypeAdapter(Met)


def stand_by(desk: Desk, *, visible: Path, hidden: Path, source: Path) -> Job:
    """Start the worker ahead; the arguments are those of `recheck`.

    Raises:
        SandboxError: it cannot start.
    """
    mounts = (
        Mount(source=hidden / "inputs", target="/final"),
        Mount(source=visible, target="/read"),
        Mount(source=source, target="/sources"),
    )
    return desk.start("recheck", mounts, timeout=TIMEOUT)


def recheck(
    desk: Desk, trained: Trained, *, visible: Path, hidden: Path, source: Path, worker: Job | None = None
) -> Met:
    """Let a worker compare the hidden final inputs with the files that `trained` read and the sources it ran.

    `worker` is what `stand_by` gave for the same arguments, used once.

    Raises:
        ToolError: the files cannot be read.
        SandboxError: the sandbox or the worker failed.
    """
    request = {
        "final": "/final/final.parquet",
        "read": [f"/read/{name}" for name in files_read(trained, visible)],
        "sources": "/sources",
    }
    worker = worker or stand_by(desk, visible=visible, hidden=hidden, source=source)
    return desk.hear(worker, request, _FORM, timeout=TIMEOUT)


def files_read(trained: Trained, visible: Path) -> list[str]:
    """Name the parts that the witness saw being read; all of them where it could not tell."""
    there = sorted(file.name for file in visible.glob("*.parquet"))
    untouched = {file.name for file in trained.read if (file.covered == 0 if file.opened is None else not file.opened)}
    return [name for name in there if name not in untouched]


def judge(met: Met) -> tuple[Finding, ...]:
    """Refuse what preparation would have left out, and sources that hold more rows than an example does."""
    few = max(FEW, round(SHARE * met.rows))
    found = (
        ("were read in training", met.equal, met.equal_rows, met.equal > 0),
        ("have a near duplicate among what was read", met.near, met.near_rows, met.near > few),
        ("stand in the sources", met.written, met.written_rows, met.written > few),
    )
    return tuple(
        Finding(name="contamination", detail=_detail(what, count, rows, met.rows), refuses=refuses)
        for what, count, rows, refuses in found
        if count
    )


def _detail(what: str, count: int, rows: Sequence[str], of: int) -> str:
    shown = one_line(", ".join(rows), 300)
    return f"{count} of {of} final rows {what}: {shown}{' …' if count > len(rows) else ''}."
