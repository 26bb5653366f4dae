"""Judge a backend by starting a sandbox and trying to get out of it."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import Availability, JobResult, JobSpec, Limits, SandboxBackend, SandboxSpec
from ml_intern.sandboxes import layout


def probe(
    backend: SandboxBackend, *, unprotected: tuple[str, ...] = (), accepted: frozenset[str] = frozenset()
) -> Availability:
    """Run the probes in a sandbox of `backend` and say which walls hold.

    Args:
        backend: what is judged.
        unprotected: what its kind does not protect from, in a few words each.
        accepted: walls that it may lack and still count as working.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="ml-intern-check-") as folder:
            result = _run(backend, Path(folder))
    except SandboxError as error:
        return Availability(works=False, detail=str(error))
    return replace(judge(backend.name, result, accepted), unprotected=unprotected)


def judge(name: str, result: JobResult, accepted: frozenset[str] = frozenset()) -> Availability:
    """Read the report of the probes; walls that are `accepted` may have fallen."""
    if not result.ok or len(result.reports) != 1:
        why = result.reason or f"status {result.exit_code}"
        return Availability(works=False, detail=f"{name}: the probes failed ({why}): {result.output[-1000:].strip()}")
    walls: dict[str, bool] = json.loads(result.reports[0])
    lacks = tuple(wall for wall, holds in walls.items() if not holds)
    return Availability(
        works=accepted.issuperset(lacks),
        detail=f"{name} does not protect from: {', '.join(lacks)}" if lacks else f"{name}: all walls hold",
        protects_from=tuple(wall for wall, holds in walls.items() if holds),
        lacks=lacks,
    )


def _run(backend: SandboxBackend, folder: Path) -> JobResult:
    secret = folder / "secret"
    secret.write_text("a file of the host", "utf-8")
    secret.chmod(0o644)
    spec = SandboxSpec(run="check", mounts=(), working_directory="/tmp", limits=Limits(memory=1 << 30))
    argv = ("python", "-I", f"{layout.INSIDE}/probes.py", str(secret))
    job = backend.start(spec, JobSpec(directory=folder / "job", argv=argv, timeout=60))
    return job.wait(on_event=lambda event: None)
