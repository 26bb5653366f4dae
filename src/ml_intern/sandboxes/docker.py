"""The backend for Docker and Podman, driven by their command line; the same supervisor is process 1."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import io
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import Availability, JobSpec, Mount, SandboxSpec
from ml_intern.sandboxes import engine as engines
from ml_intern.sandboxes import jobs, layout, probing
from ml_intern.sandboxes.environment import find_image
from ml_intern.sandboxes.ownership import check_readable, give_to
from ml_intern.sandboxes.session import Session

_LABEL = "org.open-ml-intern"
_BUNDLED = "/opt/bundled"
"""Where the image keeps the labelled data that scikit-learn carries."""
_PYTHON = "/opt/venv/bin/python"
_PATH = "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"
_OVERHEAD = 64 << 20
"""Bytes on top of the limit for process 1, so that it can still report that the limit was passed."""
_GPU_FLAGS: Mapping[str, tuple[str, ...]] = {
    "docker": ("--gpus", "all"),
    "podman": ("--device", "nvidia.com/gpu=all"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What one `run` command starts, besides the spec."""

    engine: str
    image: str
    name: str
    mode: layout.Mode
    user: str
    labels: Mapping[str, str]
    control: Path | None = None
    has_gpu: bool = False
    keeps_user: bool = False
    """Whether rootless Podman shall map the user to itself."""


class DockerBackend:
    """Containers of `engine` from `image`; without one, the newest that `ml-intern sandbox build` made."""

    def __init__(self, image: str | None = None, engine: str = "docker") -> None:
        self._given = image
        self._engine = engine

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return self._engine

    def check(self) -> Availability:
        """Start a sandbox and try a handful of probes."""
        return probing.probe(self)

    def open(self, spec: SandboxSpec) -> Session:
        """Start a persistent session.

        Raises:
            SandboxError: the engine does not answer, there is no image, a mount is missing, or a required GPU is.
        """
        name = f"ml-intern-{secrets.token_hex(8)}"
        command = self._command(spec, name=name, mode="session", control=None, labels={})
        return Session(
            command,
            environment=engines.environment(),
            output=spec.limits.output,
            clean=lambda: self._remove(name),
        )

    def start(self, spec: SandboxSpec, job: JobSpec) -> jobs.DetachedJob:
        """Start `job` detached, or attach to it.

        Raises:
            SandboxError: as for `open`.
        """
        directory = str(job.directory.absolute())
        name = f"ml-intern-job-{hashlib.sha256(directory.encode()).hexdigest()[:24]}"

        def launch(control: Path) -> jobs.Launch:
            labels = {"directory": directory}
            argv = self._command(spec, name=name, mode="job", control=control, labels=labels)
            return jobs.Launch(argv=argv, environment=engines.environment())

        return jobs.begin(job, launch, backend=self.name, end=lambda _: self._remove(name))

    def reap(self, is_alive: Callable[[str], bool]) -> Sequence[str]:
        """Remove sessions of dead runs, and jobs that nobody follows any more; gives their runs."""
        listing = self._ask("ps", "--all", "--filter", f"label={_LABEL}.run", "--format", "{{.Names}}")
        cleaned: list[str] = []
        for name in listing.split():
            run, mode, directory = self._labels(name)
            if is_abandoned(run, mode, Path(directory), is_alive):
                self._remove(name)
                cleaned.append(run)
        return tuple(dict.fromkeys(cleaned))

    def _labels(self, name: str) -> tuple[str, str, str]:
        fields = "|".join(f'{{{{index .Config.Labels "{_LABEL}.{key}"}}}}' for key in ("run", "mode", "directory"))
        run, mode, directory = self._ask("inspect", "--format", fields, name).strip().split("|")
        return run, mode, directory

    def _command(
        self, spec: SandboxSpec, *, name: str, mode: layout.Mode, control: Path | None, labels: Mapping[str, str]
    ) -> Sequence[str]:
        is_root = os.getuid() == 0
        user, group = (layout.USER, layout.USER) if is_root else (os.getuid(), os.getgid())
        container = Container(
            engine=self._engine,
            image=self._image,
            name=name,
            mode=mode,
            user=f"{user}:{group}",
            labels={"run": spec.run, "mode": mode, **labels},
            control=control,
            has_gpu=self._gives_gpu(spec),
            keeps_user=self._engine == "podman" and not is_root,
        )
        command = arguments(container, spec)
        if is_root:
            check_readable(layout.sources(spec, writable=False))
            give_to(layout.USER, layout.sources(spec, writable=True))
        return (engines.locate(self._engine), *command)

    @cached_property
    def _image(self) -> str:
        image = self._given or find_image(self._engine)
        if image is None:
            raise SandboxError(f"{self._engine} has no sandbox image yet; run `ml-intern sandbox build`")
        return image

    def _gives_gpu(self, spec: SandboxSpec) -> bool:
        if spec.gpu == "none":
            return False
        there = Path("/dev/nvidiactl").exists() and "nvidia" in self._ask("info", "--format", "{{json .}}").lower()
        if spec.gpu == "required" and not there:
            raise SandboxError(
                f"a GPU is required, but {self._engine} offers none; install the NVIDIA Container Toolkit, "
                "or allow the CPU with use_gpu='auto'"
            )
        return there

    def _remove(self, name: str) -> None:
        with contextlib.suppress(SandboxError):  # it is gone, which is what is wanted
            self._ask("rm", "--force", name)

    def _ask(self, *command: str) -> str:
        return engines.ask(self._engine, *command)


def podman() -> DockerBackend:
    """Give the same backend over Podman's command line."""
    return DockerBackend(engine="podman")


def is_abandoned(run: str, mode: str, directory: Path, is_alive: Callable[[str], bool]) -> bool:
    """Tell whether a container serves nobody: its session's run is dead, or its job's detached process is."""
    if mode == "session":
        return not is_alive(run)
    try:
        with (directory / "claim.json").open("rb") as claim:
            fcntl.flock(claim, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # the folder was deleted, so nobody can ask for the result
        return True
    return True


def arguments(container: Container, spec: SandboxSpec) -> tuple[str, ...]:
    """Build the engine's arguments for `spec`; reads the file system to resolve mounts, changes nothing.

    Raises:
        SandboxError: a mount is missing or not allowed.
    """
    sizes = layout.Sizes.of(spec.limits.memory)
    memory = str(spec.limits.memory + _OVERHEAD)
    # no --init: the supervisor must be process 1, where signals from inside do not reach it
    fixed = (
        "run", "--rm", "--pull", "never", "--name", container.name, "--hostname", "sandbox",
        "--network", "none", "--read-only", "--ipc", "private", "--user", container.user,
        "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--log-driver", "none",
        "--pids-limit", str(spec.limits.processes), "--memory", memory, "--memory-swap", memory,
        "--shm-size", str(sizes.shared), "--ulimit", "nofile=4096:4096", "--ulimit", "core=0",
        "--tmpfs", f"/tmp:rw,exec,nosuid,nodev,size={sizes.temporary},mode=1777",
        "--workdir", "/", "--entrypoint", _PYTHON,
    )  # fmt: skip
    masks = () if spec.shows_bundled_data else (Mount(source=layout.MASK, target=_BUNDLED),)
    _, *supervisor = layout.supervisor(container.mode, spec, python=_PYTHON, limit_processes=False)
    return (
        *fixed,
        *_optional(container, spec),
        *_each("--label", {f"{_LABEL}.{key}": value for key, value in container.labels.items()}),
        *(part for mount in (*masks, *layout.mounts(spec, container.control)) for part in ("--mount", _mount(mount))),
        *_each("--env", layout.environment(spec, path=_PATH)),
        container.image,
        *supervisor,
    )


def _optional(container: Container, spec: SandboxSpec) -> tuple[str, ...]:
    interactive = ("--interactive",) if container.mode == "session" else ()
    processors = ("--cpus", f"{spec.limits.cpus:g}") if spec.limits.cpus is not None else ()
    gpu = _GPU_FLAGS.get(container.engine, _GPU_FLAGS["docker"]) if container.has_gpu else ()
    # SELinux would forbid every mount that is not relabelled, and relabelling changes the person's files
    podman_only = ("--security-opt", "label=disable") if container.engine == "podman" else ()
    mapped = ("--userns", "keep-id") if container.keeps_user else ()
    return (*interactive, *processors, *gpu, *podman_only, *mapped)


def _each(flag: str, values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(part for key, value in values.items() for part in (flag, f"{key}={value}"))


def _mount(mount: Mount) -> str:
    """Write a mount in the engine's comma-separated form; quoted, since a path may hold a comma."""
    row = ["type=bind", f"source={mount.source}", f"target={mount.target}", *([] if mount.writable else ["readonly"])]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(row)
    return line.getvalue()
