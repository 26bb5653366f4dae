"""What the backends share that start a program of this machine and no engine: sessions, jobs, and what they need."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from ml_intern.core.sandbox import JobSpec, SandboxSpec
from ml_intern.sandboxes import jobs, layout
from ml_intern.sandboxes.session import Session


class LocalBackend:
    """Give `KIND` and `_command`. `python` is a virtual environment to use instead of the built one."""

    KIND: ClassVar[str]

    def __init__(self, home: Path, python: Path | None = None) -> None:
        self._home = home
        self._python = python

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return self.KIND

    def open(self, spec: SandboxSpec) -> Session:
        """Start a persistent session.

        Raises:
            SandboxError: something that the sandbox is made of is missing, or is forbidden here.
        """
        command = self._command("session", spec, None)
        return Session(command, environment={}, output=spec.limits.output, stored=spec.limits.stored)

    def start(self, spec: SandboxSpec, job: JobSpec) -> jobs.DetachedJob:
        """Start `job` detached, or attach to it.

        Raises:
            SandboxError: as for `open`.
        """

        def launch(control: Path) -> jobs.Launch:
            return jobs.Launch(argv=self._command("job", spec, control), environment={})

        return jobs.begin(job, launch, backend=self.name, end=_end)

    def reap(self, is_alive: Callable[[str], bool]) -> Sequence[str]:
        """Give nothing: a session's processes end with its agent, and what would not is known to nobody."""
        del is_alive
        return ()

    def _command(self, mode: layout.Mode, spec: SandboxSpec, control: Path | None) -> Sequence[str]:
        """Say what to run; raises SandboxError where it cannot be run."""
        raise NotImplementedError


def _end(launcher: int | None) -> None:
    """Kill the process outside, and with it, by the kernel, everything inside; without a namespace, the supervisor."""
    if launcher is not None:
        os.kill(launcher, signal.SIGKILL)
