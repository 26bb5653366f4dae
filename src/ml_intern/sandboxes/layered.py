"""A backend whose sandboxes have the packages that the run installed, wherever code of the agent runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import JobSpec, Mount, SandboxBackend, SandboxSpec
from ml_intern.sandboxes.altered import Altered

INSIDE = "/opt/ml-intern/packages"


class Layered(Altered):
    """`backend` with the folder `layer` on the path, after everything the spec itself puts there."""

    def __init__(self, backend: SandboxBackend, layer: Path) -> None:
        super().__init__(backend)
        self._layer = layer

    def _altered(self, spec: SandboxSpec) -> SandboxSpec:
        if not spec.has_packages:
            return spec
        if not self._layer.is_dir():
            raise SandboxError(f"the installed packages at {self._layer} are gone; install them again")
        path = ":".join(filter(None, (spec.environment.get("PYTHONPATH"), INSIDE)))
        return replace(
            spec,
            mounts=(*spec.mounts, Mount(source=self._layer, target=INSIDE)),
            environment={**spec.environment, "PYTHONPATH": path},
        )

    def _altered_job(self, job: JobSpec) -> JobSpec:
        return replace(job, argv=_with_path(job.argv))


def _with_path(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Let an isolated Python see PYTHONPATH: -I is -E -P -s, and the environment inside is ours alone."""
    if argv[:2] == ("python", "-I"):
        return (argv[0], "-P", "-s", *argv[2:])
    return argv
