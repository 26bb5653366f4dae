"""Data for the permuted-label control: the same parts, the labels of search shuffled by a worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from ml_intern.core.errors import ToolError
from ml_intern.core.sandbox import Mount
from ml_intern.data.jobs import Desk

TIMEOUT = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Permuted:
    """How many labels there are, and how many rows got another one than their own."""

    rows: int
    moved: int


_FORM = TypeAdapter(Permuted)


def permuted(desk: Desk, *, visible: Path, target: str, seed: int, into: Path) -> Permuted:
    """Write the parts of `visible` below the new folder `into`, with the column `target` of search shuffled by `seed`.

    Raises:
        ToolError: every row kept its own label, so that the control would control nothing.
        SandboxError: the sandbox or the worker failed.
    """
    into.mkdir(parents=True, exist_ok=True)
    request = {"parts": "/parts", "output": "/permuted", "target": target, "seed": seed}
    mounts = (Mount(source=visible, target="/parts"), Mount(source=into, target="/permuted", writable=True))
    done = desk.ask("permute", request, mounts, _FORM, timeout=TIMEOUT)
    if not done.moved:
        raise ToolError("all labels are the same: there is nothing to permute")
    return done
