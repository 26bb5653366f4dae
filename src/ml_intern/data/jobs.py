"""Ask a data worker in a sandbox of its own; it reads the files, the host reads one bounded line of JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from ml_intern.core.errors import SandboxError, ToolError
from ml_intern.core.neutral import one_line
from ml_intern.core.sandbox import Job, JobEvent, JobResult, JobSpec, Mount, SandboxBackend, SandboxSpec

WORKERS = Path(__file__).parent / "workers"
INSIDE = "/opt/ml-intern/data"
SCRATCH = "/scratch"
"""Where the readers keep their converted copies: a folder on the disk, because `/tmp` inside is memory."""

REPORT_LIMIT = 1 << 20
"""Characters of a worker's report; more is not read."""

Report = TypeVar("Report")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where the workers of one call run: backend, run, a folder for the call, and whether the person stopped it."""

    backend: SandboxBackend
    run: str
    directory: Path
    cancelled: Callable[[], bool] = lambda: False

    def ask(
        self,
        worker: str,
        request: Mapping[str, object],
        mounts: tuple[Mount, ...],
        form: TypeAdapter[Report],
        *,
        timeout: float,
    ) -> Report:
        """Run `worker` on `request` (`timeout` in seconds) and read its report; the same call attaches again.

        Raises:
            ToolError: the data cannot be read as asked.
            SandboxError: the sandbox or the worker failed.
        """
        return self.hear(self.start(worker, mounts, timeout=timeout), request, form, timeout=timeout)

    def hear(self, worker: Job, request: Mapping[str, object], form: TypeAdapter[Report], *, timeout: float) -> Report:
        """Hand `request` to a worker that `start` gave, and read its report; raises as `ask`."""
        worker.hand(json.dumps(request).encode())
        ended = worker.wait(on_event=_unseen, cancelled=self.cancelled)
        shutil.rmtree(self._scratch, ignore_errors=True)
        return _read(ended, form, timeout)

    @property
    def _scratch(self) -> Path:
        return self.directory / "scratch"

    def start(self, worker: str, mounts: tuple[Mount, ...], *, timeout: float) -> Job:
        """Start a worker, which loads its libraries and waits for its request.

        Raises:
            SandboxError: it cannot start.
        """
        directory, scratch = self.directory / worker, self._scratch
        for folder in (directory, scratch):
            folder.mkdir(parents=True, exist_ok=True)
        own = (Mount(source=WORKERS, target=INSIDE), Mount(source=scratch, target=SCRATCH, writable=True))
        spec = SandboxSpec(
            run=self.run,
            mounts=(*mounts, *own),
            working_directory="/tmp",
            environment={"HF_HOME": SCRATCH},
            shows_bundled_data=True,
        )
        argv = ("python", "-I", f"{INSIDE}/{worker}.py")
        return self.backend.start(spec, JobSpec(directory=directory, argv=argv, timeout=timeout, held=True))


def _read(ended: JobResult, form: TypeAdapter[Report], timeout: float) -> Report:
    if ended.reason is not None:
        raise ToolError(f"reading the data {_how(ended.reason, timeout)}; use a smaller data set or part of it")
    line = ended.reports[-1] if ended.ok and len(ended.reports) == 1 else ""
    if not line or len(line) > REPORT_LIMIT:
        tail = one_line(ended.output[-600:], 600)
        raise SandboxError(f"the data worker gave no report (exit {ended.exit_code}); its last output: {tail}")
    problem = _problem(line)
    if problem is not None:
        raise ToolError(problem)
    try:
        return form.validate_json(line, strict=True, extra="forbid")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SandboxError(f"the data worker's report is unreadable: {first['loc']}: {first['msg']}") from error


def _how(reason: str, timeout: float) -> str:
    ways = {"timeout": f"took longer than {timeout:g} s", "memory": "ran out of memory", "disk": "filled the disk"}
    return ways.get(reason, f"was ended ({reason})")


def _problem(line: str) -> str | None:
    """Give the worker's explanation of why the request cannot be met."""
    try:
        return one_line(_REFUSAL.validate_json(line, strict=True)["error"], 900)
    except ValidationError:
        return None


_REFUSAL: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


def _unseen(event: JobEvent) -> None:
    """Show nothing: what the readers print is for nobody."""
    del event
