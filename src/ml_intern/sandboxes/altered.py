"""A backend that changes what is asked of another one, and is that other one in all else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ml_intern.core.sandbox import Availability, Job, JobSpec, Sandbox, SandboxBackend, SandboxSpec


class Altered:
    """`backend` with each spec as `_altered` gives it."""

    def __init__(self, backend: SandboxBackend) -> None:
        self._backend = backend

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return self._backend.name

    def check(self) -> Availability:
        """Start a sandbox and try a handful of probes."""
        return self._backend.check()

    def open(self, spec: SandboxSpec) -> Sandbox:
        """Start a persistent session.

        Raises:
            SandboxError: as the backend, or the spec cannot be changed.
        """
        return self._backend.open(self._altered(spec))

    def start(self, spec: SandboxSpec, job: JobSpec) -> Job:
        """Start `job` detached, or attach to it.

        Raises:
            SandboxError: as for `open`.
        """
        altered = self._altered(spec)
        return self._backend.start(altered, job if altered is spec else self._altered_job(job))

    def reap(self, is_alive: Callable[[str], bool]) -> Sequence[str]:
        """Remove what sessions of dead agents left."""
        return self._backend.reap(is_alive)

    def _altered(self, spec: SandboxSpec) -> SandboxSpec:
        """Give the spec to use; the same object where nothing changes."""
        raise NotImplementedError

    def _altered_job(self, job: JobSpec) -> JobSpec:
        """Give the job that fits a changed spec."""
        return job
