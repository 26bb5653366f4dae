"""Pick the sandbox backend that a setting names, or the best that works on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from ml_intern import plugins
from ml_intern.config import Settings
from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import SandboxBackend, SandboxSpec
from ml_intern.sandboxes.docker import DockerBackend, podman
from ml_intern.sandboxes.namespaces import NamespaceBackend

_ADVICE = (
    "Run `ml-intern sandbox build`; it makes an image where Docker or Podman answers, and an environment for "
    "namespaces elsewhere. Code is never run outside a sandbox."
)


def choose(name: str, settings: Settings) -> SandboxBackend:
    """Give the backend called `name`; `auto` gives the first of Docker, Podman and namespaces that starts.

    A named backend is given unchecked: its own errors say best what it lacks. A backend of a plugin is made by
    calling what its name stands for without arguments.

    Raises:
        SandboxError: `auto`, and none starts; the message says why not each, and what to do.
        ConfigError: nothing has that name.
    """
    if name != "auto":
        return _named(name, settings)
    refusals: list[str] = []
    for backend in _candidates(settings):
        reason = _refusal(backend)
        if reason is None:
            return backend
        refusals.append(f"- {backend.name}: {reason}")
    raise SandboxError("\n".join(["no sandbox works here:", *refusals, _ADVICE]))


def _candidates(settings: Settings) -> Iterator[SandboxBackend]:
    for name in ("docker", "podman", "namespaces"):
        yield _named(name, settings)


def _named(name: str, settings: Settings) -> SandboxBackend:
    match name:
        case "docker":
            return DockerBackend()
        case "podman":
            return podman()
        case "namespaces":
            python = settings.environment.get("ML_INTERN_SANDBOX_PYTHON")
            return NamespaceBackend(settings.home, Path(python) if python else None)
        case _:
            return cast("Callable[[], SandboxBackend]", plugins.load("sandboxes", name))()


def _refusal(backend: SandboxBackend) -> str | None:
    """Open and close an empty sandbox; give why that fails."""
    try:
        backend.open(SandboxSpec(run="check", mounts=(), working_directory="/tmp")).close()
    except SandboxError as error:
        return str(error)
    return None
