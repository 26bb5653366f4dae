"""What the tests of a sandbox backend stand on: how it is made, what it mounts, how code is run in it.

Everything that is tried inside is harmless where the sandbox fails: it reads, asks, or takes a bounded amount.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from ml_intern.core.sandbox import (
    Execution,
    Job,
    JobResult,
    JobSpec,
    Limits,
    Mount,
    Sandbox,
    SandboxBackend,
    SandboxSpec,
)

SMALL = 1 << 30
"""Bytes of memory and disk that tests allow."""


class Run(Protocol):
    """Runs code that is expected to end soon."""

    def __call__(self, code: str, timeout: float = 60.0) -> Execution: ...


def silent(text: str) -> None:
    """Show nothing."""
    del text


def finish(job: Job) -> JobResult:
    """Wait for a job whose events do not matter."""
    return job.wait(on_event=lambda event: None)


def runner(sandbox: Sandbox) -> Run:
    """Give a short way to run code."""

    def run(code: str, timeout: float = 60.0) -> Execution:
        return sandbox.execute(code, timeout=timeout, on_output=silent)

    return run


def until(path: str) -> str:
    """Give code that waits for a file; it needs `time`."""
    return f"import os\nwhile not os.path.exists({path!r}): time.sleep(0.02)\n"


class SandboxTests:
    """Fixtures of all tests of a backend."""

    expression: str
    """Python expression that makes the backend; it may use `Path` and what `imports` imports."""
    imports: str

    @pytest.fixture
    def backend(self) -> SandboxBackend:
        """Give the backend, made as another process would make it."""
        names: dict[str, object] = {"Path": Path}
        exec(self.imports, names)
        made: SandboxBackend = eval(self.expression, names)
        return made

    @pytest.fixture
    def spec(self, tmp_path: Path) -> SandboxSpec:
        """Give a workspace to write, data to read, and one file."""
        workspace, data, note = tmp_path / "workspace", tmp_path / "data", tmp_path / "note.json"
        for folder in (workspace, data):
            folder.mkdir()
        (data / "rows.txt").write_text("one two", "utf-8")
        note.write_text('{"a": 1}', "utf-8")
        mounts = (
            Mount(source=workspace, target="/workspace", writable=True),
            Mount(source=data, target="/data"),
            Mount(source=note, target="/note.json"),
        )
        return SandboxSpec(run="conformance", mounts=mounts, limits=Limits(memory=SMALL, disk=SMALL))

    @pytest.fixture
    def sandbox(self, backend: SandboxBackend, spec: SandboxSpec) -> Iterator[Sandbox]:
        """Give an open session."""
        opened = backend.open(spec)
        yield opened
        opened.close()

    @pytest.fixture
    def run(self, sandbox: Sandbox) -> Run:
        """Give a way to run code in an open session."""
        return runner(sandbox)

    @pytest.fixture
    def job(self, tmp_path: Path) -> Callable[..., JobSpec]:
        """Give a maker of jobs that run Python code."""

        def make(code: str, *arguments: str, timeout: float = 60.0, stdin: bytes = b"") -> JobSpec:
            argv = ("python", "-c", code, *arguments)
            return JobSpec(directory=tmp_path / "job", argv=argv, timeout=timeout, stdin=stdin)

        return make

    @pytest.fixture(autouse=True)
    def _remember_workspace(self, tmp_path: Path) -> None:
        self.workspace = tmp_path / "workspace"

    def start_process(self, code: str) -> subprocess.Popen[bytes]:
        """Start an agent in a process group of its own that runs `code`, prints a line, and waits for its death."""
        imports = f"from pathlib import Path, PosixPath\n{self.imports}\nfrom ml_intern.core.sandbox import *\n"
        program = (
            f"{imports}backend = {self.expression}\n{code}\nimport signal, sys\nsys.stdout.flush()\nsignal.pause()"
        )
        source = str(Path(__file__).parents[2] / "src")
        paths = os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline()
        return process
