"""Pick the sandbox backend that a setting names, or the strongest that works on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from ml_intern import plugins
from ml_intern.config import Settings
from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.sandboxes import plain
from ml_intern.sandboxes.bubblewrap import BubblewrapBackend
from ml_intern.sandboxes.docker import DockerBackend, podman
from ml_intern.sandboxes.namespaces import NamespaceBackend

STRENGTH = ("docker", "podman", "namespaces", "bubblewrap")
"""Names of the built-in backends, the strongest first."""
_ADVICE = (
    "Run `ml-intern sandbox build`; it makes an image where Docker or Podman answers, and an environment for "
    "namespaces elsewhere. Code is never run outside a sandbox."
)


def choose(name: str, settings: Settings, *, accepts_risk: bool = False) -> SandboxBackend:
    """Give the backend called `name`; `auto` gives the first of `STRENGTH` in which the probes find every wall.

    A named backend is given unchecked: its own errors say best what it lacks. `docker:runsc` and `podman:runsc` take
    another runtime of the engine, here gVisor's. A backend of a plugin is made by
    calling what its name stands for without arguments.

    Raises:
        SandboxError: `auto`, and none works; the message says why not each, and what to do.
        ConfigError: nothing has that name, or it is `none` and nobody said that the risk is accepted.
    """
    if name == plain.NAME:
        return _without_walls(settings, accepts_risk=accepts_risk)
    if name != "auto":
        return _named(name, settings)
    refusals: list[str] = []
    for known in STRENGTH:
        backend = _named(known, settings)
        found = backend.check()
        if found.works:
            return backend
        refusals.append(f"- {known}: {found.detail}")
    raise SandboxError("\n".join(["no sandbox works here:", *refusals, _ADVICE]))


def _without_walls(settings: Settings, *, accepts_risk: bool) -> SandboxBackend:
    plain.demand_acceptance(plain.NAME, accepts_risk=accepts_risk)
    python = settings.environment.get("ML_INTERN_SANDBOX_PYTHON")
    return plain.PlainBackend(settings.home, Path(python) if python else None)


def _named(name: str, settings: Settings) -> SandboxBackend:
    python = settings.environment.get("ML_INTERN_SANDBOX_PYTHON")
    engine, _, runtime = name.partition(":")
    match engine:
        case "docker":
            return DockerBackend(runtime=runtime or None)
        case "podman":
            return podman(runtime or None)
        case "namespaces":
            return NamespaceBackend(settings.home, Path(python) if python else None)
        case "bubblewrap":
            return BubblewrapBackend(settings.home, Path(python) if python else None)
        case _:
            return cast("Callable[[], SandboxBackend]", plugins.load("sandboxes", name))()


def engines() -> tuple[tuple[DockerBackend, ...], tuple[str, ...]]:
    """Give the container engines that answer, and why the others that are installed do not."""
    answering: list[DockerBackend] = []
    silent: list[str] = []
    for backend in (DockerBackend(), podman()):
        try:
            backend.listed()
        except SandboxError as error:
            if not str(error).endswith("is not installed"):
                silent.append(str(error))
        else:
            answering.append(backend)
    return tuple(answering), tuple(silent)
