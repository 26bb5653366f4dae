"""How far weights lie from known checkpoints, measured in a sandbox that holds files of tensors and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import JobSpec, Mount, SandboxBackend, SandboxSpec
from ml_intern.evaluation.evaluator import INSIDE, WORKERS, unseen

TIMEOUT = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """A file of weights, and which of our tensors are compared with which of its: (ours, its), of equal shapes."""

    file: Path
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moved:
    changes: tuple[Annotated[FiniteFloat, Field(ge=0)], ...]


_MOVED = TypeAdapter(_Moved)


def relative_changes(
    backend: SandboxBackend,
    *,
    run: str,
    directory: Path,
    weights: Path,
    others: Sequence[Pairing],
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[float, ...]:
    """Give, for each of `others`, the norm of the difference over that of the other.

    Raises:
        SandboxError: the sandbox failed, or a file cannot be read.
    """
    directory.mkdir(parents=True, exist_ok=True)
    own = "/own/model.safetensors"
    known = [f"/known/{place}.safetensors" for place in range(len(others))]
    # the Hub's client keeps links to its blobs
    mounts = [Mount(source=one.file.resolve(), target=target) for one, target in zip(others, known, strict=True)]
    request = {"own": own, "others": [[target, one.pairs] for one, target in zip(others, known, strict=True)]}
    spec = SandboxSpec(
        run=run,
        mounts=(Mount(source=weights, target=own), *mounts, Mount(source=WORKERS, target=INSIDE)),
        working_directory="/tmp",
        has_packages=False,
    )
    argv = ("python", "-I", f"{INSIDE}/moved.py")
    job = JobSpec(directory=directory, argv=argv, stdin=json.dumps(request).encode(), timeout=TIMEOUT)
    ended = backend.start(spec, job).wait(on_event=unseen, cancelled=cancelled)
    try:
        found = _MOVED.validate_json(ended.reports[-1] if ended.ok and ended.reports else "", extra="forbid").changes
    except ValidationError as error:
        raise SandboxError(f"weights could not be compared: {ended.output[-300:].strip()}") from error
    if len(found) != len(others):
        raise SandboxError(f"{len(found)} files of weights were compared, not {len(others)}")
    return found
