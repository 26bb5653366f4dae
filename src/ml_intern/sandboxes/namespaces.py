"""The backend for a machine without a container engine: Linux namespaces, driven by our own launcher."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import Availability, JobSpec, Mount, SandboxSpec
from ml_intern.sandboxes import jobs, layout, probing
from ml_intern.sandboxes.environment import find_environment
from ml_intern.sandboxes.launcher import Bind, Plan
from ml_intern.sandboxes.ownership import check_readable, give_to
from ml_intern.sandboxes.session import Session

_LAUNCHER = Path(__file__).with_name("launcher.py")
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib64")
_ETC = ("/etc/ld.so.cache", "/etc/alternatives")
_FILES = {
    "/etc/passwd": f"sandbox:x:{layout.USER}:{layout.USER}::/tmp:/bin/false\n",
    "/etc/group": f"sandbox:x:{layout.USER}:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n",
}


class NamespaceBackend:
    """Rootless containers on Linux. `python` is a virtual environment to use instead of the built one."""

    def __init__(self, home: Path, python: Path | None = None) -> None:
        self._home = home
        self._python = python

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return "namespaces"

    def check(self) -> Availability:
        """Start a sandbox and try a handful of probes."""
        return probing.probe(self)

    def open(self, spec: SandboxSpec) -> Session:
        """Start a persistent session.

        Raises:
            SandboxError: there is no environment, a mount is missing, or namespaces are forbidden here.
        """
        command = self._command("session", spec, None)
        return Session(command, environment={}, output=spec.limits.output)

    def start(self, spec: SandboxSpec, job: JobSpec) -> jobs.DetachedJob:
        """Start `job` detached, or attach to it.

        Raises:
            SandboxError: as for `open`.
        """

        def launch(control: Path) -> jobs.Launch:
            return jobs.Launch(argv=self._command("job", spec, control), environment={})

        return jobs.begin(job, launch, backend=self.name, end=_end)

    def reap(self, is_alive: Callable[[str], bool]) -> Sequence[str]:
        """Give nothing: a session dies with its agent, because the kernel ends the namespace."""
        del is_alive
        return ()

    def _command(self, mode: layout.Mode, spec: SandboxSpec, control: Path | None) -> Sequence[str]:
        if sys.platform != "linux":
            raise SandboxError("namespaces exist on Linux only; install Docker or Podman")
        environment = self._environment()
        steps = plan(mode, spec, control, environment=environment, devices=_devices(spec))
        if os.getuid() == 0:
            check_readable(layout.sources(spec, writable=False))
            give_to(layout.USER, layout.sources(spec, writable=True))
        return (sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(steps))

    def _environment(self) -> Path:
        chosen = self._python or os.environ.get("ML_INTERN_SANDBOX_PYTHON")
        environment = Path(chosen) if chosen else find_environment(self._home)
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
        "links": {path: str(Path(path).readlink()) for path in _SYSTEM if Path(path).is_symlink()},
        "files": _FILES,
        "memory": [
            {"target": "/tmp", "size": sizes.temporary, "mode": "1777"},
            {"target": "/dev", "size": 1 << 20, "mode": "755"},
            {"target": "/dev/shm", "size": sizes.shared, "mode": "1777"},
        ],
        "binds": [*map(_bind, own), *map(_device, devices)],
        "processors": math.ceil(spec.limits.cpus or 0),
        "directory": spec.working_directory,
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


def _end(launcher: int | None) -> None:
    """Kill the process outside, and with it, by the kernel, everything inside."""
    if launcher is not None:
        os.kill(launcher, signal.SIGKILL)
