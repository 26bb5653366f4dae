"""Load a published bundle in a sandbox and compare its outputs with those stored when it was published."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import JobSpec, Mount, SandboxBackend, SandboxSpec
from ml_intern.evaluation.evaluator import INSIDE, WORKERS, unseen

TIMEOUT = 600.0
TOLERANCE = 1e-4
"""Relative to 1 + the largest expected output: other processors and versions sum in another order."""


def self_check(
    backend: SandboxBackend,
    *,
    run: str,
    directory: Path,
    bundle: Path,
    stored: Path | None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Mapping[str, float] | str:
    """Give figures of the weights (`not_finite`, `matrices`, `constant_matrices`) and the largest `difference`.

    Text says why the bundle does not load.

    Raises:
        SandboxError: the sandbox failed, whatever the bundle did.
    """
    directory.mkdir(parents=True, exist_ok=True)
    own = (Mount(source=stored, target="/stored/selftest.safetensors"),) if stored else ()
    spec = SandboxSpec(
        run=run,
        mounts=(Mount(source=bundle, target="/bundle"), Mount(source=WORKERS, target=INSIDE), *own),
        working_directory="/tmp",
    )
    request = {"bundle": "/bundle", "stored": own[0].target if own else None}
    job = JobSpec(
        directory=directory,
        argv=("python", "-I", f"{INSIDE}/selftest.py"),
        stdin=json.dumps(request).encode(),
        timeout=TIMEOUT,
    )
    ended = backend.start(spec, job).wait(on_event=unseen, cancelled=cancelled)
    return _figures(ended.reports[-1] if ended.reports else "", ended.output[-300:])


def _figures(line: str, output: str) -> Mapping[str, float] | str:
    try:
        answer: object = json.loads(line)
    except ValueError:
        return f"it ended without an answer: {output.strip()}"
    match answer:
        case {"error": str(said)}:
            return said[:500]
        case dict():
            return {str(name): float(value) for name, value in answer.items() if isinstance(value, int | float)}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case _:
            raise SandboxError("the report of the self-check is unreadable")
