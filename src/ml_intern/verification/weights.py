"""Have the weights that a training left loaded in a sandbox of their own; torch stays off the host."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import cast

from ml_intern.core.errors import ToolError
from ml_intern.core.protocols import RunPaths
from ml_intern.core.sandbox import Job, JobResult, JobSpec, Mount, SandboxBackend, SandboxSpec
from ml_intern.verification.condense import condense
from ml_intern.verification.registry import PROBES

WEIGHTS = "model.safetensors"


@contextmanager
def weights_probe(backend: SandboxBackend, *, run: str, paths: RunPaths, call_id: str) -> Generator[Job]:
    """Start what will load the weights: it gets ready while the training runs, and ends where it is not needed."""
    spec = SandboxSpec(
        run=run,
        mounts=(
            Mount(source=PROBES, target="/opt/ml-intern/probes"),
            Mount(source=paths.outputs / call_id, target="/output"),
        ),
        working_directory="/output",
    )
    argv = ("python", "-I", "/opt/ml-intern/probes/weights.py", f"/output/{WEIGHTS}")
    job = JobSpec(directory=paths.call(call_id) / "weights", argv=argv, timeout=600.0, held=True)
    probe = backend.start(spec, job)
    try:
        yield probe
    finally:
        probe.stop("no longer needed")


def require_sound(probe: Job, cancelled: Callable[[], bool]) -> None:
    """Let the probe load the weights, now that they are there.

    Raises:
        ToolError: they cannot be loaded, are not finite, or no matrix of them has two different values.
    """
    probe.hand(b"")
    result = probe.wait(on_event=lambda _event: None, cancelled=cancelled)
    found = _found(result)
    match found:
        case {"floating": 0}:
            raise ToolError(f"{WEIGHTS} holds no floating-point tensor.")
        case {"bad": int(bad)} if bad:
            raise ToolError(f"{bad} tensors of {WEIGHTS} hold NaN or infinity, such as {str(found['named'])[:300]}.")
        case {"matrices": int(matrices), "constant": int(constant)} if matrices and matrices == constant:
            raise ToolError(f"In {WEIGHTS} every matrix has a single value throughout: nothing was trained.")
        case {"floating": int()}:
            return
        case _:
            raise ToolError(f"{WEIGHTS} cannot be loaded: {condense(result.output or str(result.reason), 500)}")


def _found(result: JobResult) -> Mapping[str, object]:
    """Give the probe's report; empty if there is none. The probe is ours, and nothing else runs beside it."""
    if not result.ok or len(result.reports) != 1:
        return {}
    return cast("dict[str, object]", json.loads(result.reports[0]))
