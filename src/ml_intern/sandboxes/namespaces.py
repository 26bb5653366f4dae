"""The backend for a machine without a container engine: Linux namespaces, driven by our own launcher."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import Availability, Mount, SandboxSpec
from ml_intern.sandboxes import groups, layout, probing
from ml_intern.sandboxes.environment import find_environment
from ml_intern.sandboxes.local import LocalBackend
from ml_intern.sandboxes.ownership import check_readable, give_to
from ml_intern.sandboxes.walls import Bind, Plan

_LAUNCHER = Path(__file__).with_name("launcher.py")
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib64")
_ETC = ("/etc/ld.so.cache", "/etc/alternatives")
_FILES = {
    "/etc/passwd": f"sandbox:x:{layout.USER}:{layout.USER}::/tmp:/bin/false\n",
    "/etc/group": f"sandbox:x:{layout.USER}:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n",
}

UNPROTECTED = ("faults of the kernel, which is shared", "memory taken faster than a look every 0.2 s")


class NamespaceBackend(LocalBackend):
    """Rootless containers on Linux."""

    KIND = "namespaces"

    def check(self) -> Availability:
        """Start a sandbox and try a handful of probes."""
        return probing.probe(self, unprotected=UNPROTECTED)

    def _command(self, mode: layout.Mode, spec: SandboxSpec, control: Path | None) -> Sequence[str]:
        steps = prepare(mode, spec, control, home=self._home, python=self._python)
        steps = groups.bounded(steps, spec.limits, layout.hard_memory(mode, spec))
        return (sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(steps))


def prepare(mode: layout.Mode, spec: SandboxSpec, control: Path | None, *, home: Path, python: Path | None) -> Plan:
    """Give the plan for `spec`, after giving the sandbox's user what it may write.

    Raises:
        SandboxError: there is no environment, a mount is missing or cannot be read, or a required GPU is missing.
    """
    if sys.platform != "linux":
        raise SandboxError("namespaces exist on Linux only; install Docker or Podman")
    steps = plan(mode, spec, control, environment=find_python(home, python), devices=_devices(spec))
    if os.getuid() == 0:
        check_readable(layout.sources(spec, writable=False))
        give_to(layout.USER, layout.sources(spec, writable=True))
    return steps


def find_python(home: Path, python: Path | None) -> Path:
    """Give the virtual environment of the sandbox: `python`, the environment variable's, or the built one.

    Raises:
        SandboxError: there is none.
    """
    chosen = python or os.environ.get("ML_INTERN_SANDBOX_PYTHON")
    environment = Path(chosen) if chosen else find_environment(home)
    if environment is None:
        raise SandboxError("the sandbox has no Python environment yet; run `ml-intern sandbox build`")
    if not (environment / "pyvenv.cfg").exists():
        raise SandboxError(f"{environment} is no virtual environment: it has no pyvenv.cfg")
    return environment.absolute()


def plan(
    mode: layout.Mode, spec: SandboxSpec, control: Path | None, *, environment: Path, devices: Sequence[Path] = ()
) -> Plan:
    """Say what the launcher shall do for `spec`; reads the file system, changes nothing.

    Raises:
        SandboxError: a mount is missing or not allowed.
    """
    sizes = layout.Sizes.of(spec.limits.memory)
    python = f"{environment}/bin/python"
    masks = () if spec.shows_bundled_data else tuple(_masks(environment))
    own = [*_system(), *_interpreter(environment), *masks, *layout.mounts(spec, control)]
    if devices:  # NVIDIA's libraries look up the cards there
        own.append(Mount(source=Path("/sys"), target="/sys"))
    return {
        "user": layout.USER,
        "groups": [],
        "links": {path: str(Path(path).readlink()) for path in _SYSTEM if Path(path).is_symlink()},
        "files": _FILES,
        "memory": [
            {"target": "/tmp", "size": sizes.temporary, "files": spec.limits.files, "mode": "1777"},
            {"target": "/dev", "size": 1 << 20, "files": 1000, "mode": "755"},
            {"target": "/dev/shm", "size": sizes.shared, "files": spec.limits.files, "mode": "1777"},
        ],
        "binds": [*map(_bind, own), *map(_device, devices)],
        "processors": math.ceil(spec.limits.cpus or 0),
        "environment": layout.environment(spec, path=f"{environment}/bin:/usr/bin:/bin"),
        "argv": list(layout.supervisor(mode, spec, python=python, limit_processes=True)),
    }


def _system() -> Iterator[Mount]:
    """Give the system's libraries and programs."""
    for path in ("/usr", *_SYSTEM, *_ETC):
        if Path(path).exists() and not Path(path).is_symlink():
            yield Mount(source=Path(path), target=path)


def _interpreter(environment: Path) -> Iterator[Mount]:
    """Give the virtual environment and the Python it was made from, at the paths they know themselves by."""
    yield Mount(source=environment.resolve(), target=str(environment))
    lines = (environment / "pyvenv.cfg").read_text("utf-8").splitlines()
    settings = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    prefix = Path(settings["home"]).parent
    for path in dict.fromkeys((prefix, prefix.resolve())):
        if not path.is_relative_to("/usr"):
            yield Mount(source=prefix.resolve(), target=str(path))
            # what the person installed beside their Python is nobody's business inside
            for packages in path.glob("lib/python*/site-packages"):
                yield Mount(source=layout.MASK, target=str(packages))


def _masks(environment: Path) -> Iterator[Mount]:
    """Hide the labelled data that scikit-learn carries."""
    for folder in environment.glob("lib/python*/site-packages/sklearn/datasets/data"):
        yield Mount(source=layout.MASK, target=str(folder))


def _devices(spec: SandboxSpec) -> Sequence[Path]:
    """Give the device files of NVIDIA's driver.

    Raises:
        SandboxError: a GPU is required and there is none.
    """
    found = sorted(Path("/dev").glob("nvidia*")) if spec.gpu != "none" else []
    if spec.gpu == "required" and not Path("/dev/nvidiactl").exists():
        raise SandboxError("a GPU is required, but this machine has no NVIDIA device; use use_gpu='auto' or False")
    return found


def _bind(mount: Mount) -> Bind:
    return {"source": str(mount.source), "target": mount.target, "writable": mount.writable, "device": False}


def _device(path: Path) -> Bind:
    return {"source": str(path), "target": str(path), "writable": True, "device": True}
