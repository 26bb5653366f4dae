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
from pathlib import Path, PurePosixPath

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import Availability, JobSpec, Mount, SandboxSpec
from ml_intern.sandboxes import engine as engines
from ml_intern.sandboxes import gpus, holder, jobs, layout, probing
from ml_intern.sandboxes.environment import find_image
from ml_intern.sandboxes.ownership import check_readable, give_to
from ml_intern.sandboxes.session import Session

_LABEL = "org.open-ml-intern"
_BUNDLED = "/opt/bundled"
"""Where the image keeps the labelled data that scikit-learn carries."""
_PYTHON = "/opt/venv/bin/python"
_PATH = "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"


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
    held: bool = False
    """Whether a job listens on its standard input, as a session does."""
    gpu: tuple[str, ...] = ()
    """How this engine gives a GPU away; see `gpus`."""
    runtime: str | None = None
    """The engine's name for another runtime, such as gVisor's `runsc`."""
    users: str | None = None
    """The engine's word for how the container's users are mapped, where it is not what the engine does by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A container of ours. `directory` is its job's, and means nothing for a session."""

    name: str
    run: str
    mode: str
    directory: Path


class DockerBackend:
    """Containers of `engine` from `image`; without one, the newest that `ml-intern sandbox build` made.

    `runtime` is another runtime that the engine knows, such as `runsc`.
    """

    def __init__(self, image: str | None = None, engine: str = "docker", runtime: str | None = None) -> None:
        self._given = image
        self._engine = engine
        self._runtime = runtime

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return self._engine if self._runtime is None else f"{self._engine}:{self._runtime}"

    def check(self) -> Availability:
        """Start a sandbox and try a handful of probes."""
        return probing.probe(self, unprotected=("faults of the kernel, which is shared",))

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
            stored=spec.limits.stored,
            clean=lambda: self.remove(name),
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
            argv = self._command(spec, name=name, mode="job", control=control, labels=labels, held=job.held)
            if self._engine == "podman":  # its monitor would inherit the lock and outlive the command
                argv = _held(argv)
            return jobs.Launch(argv=argv, environment=engines.environment())

        return jobs.begin(job, launch, backend=self.name, end=lambda _: self.remove(name), lingers=True)

    def reap(self, is_alive: Callable[[str], bool]) -> Sequence[str]:
        """Remove sessions of dead runs, and jobs that nobody follows any more; gives their runs."""
        cleaned: list[str] = []
        for found in self.listed():
            if is_abandoned(found.run, found.mode, found.directory, is_alive):
                self.remove(found.name)
                cleaned.append(found.run)
        return tuple(dict.fromkeys(cleaned))

    def listed(self) -> Sequence[Found]:
        """Give the containers that bear our labels, of whatever run and home.

        Raises:
            SandboxError: the engine is not installed or does not answer.
        """
        listing = self._ask("ps", "--all", "--filter", f"label={_LABEL}.run", "--format", "{{.Names}}")
        return [found for name in listing.split() if (found := self._labels(name))]

    def _labels(self, name: str) -> Found | None:
        fields = "|".join(f'{{{{index .Config.Labels "{_LABEL}.{key}"}}}}' for key in ("run", "mode", "directory"))
        try:
            told = self._ask("inspect", "--type", "container", "--format", fields, name)
        except SandboxError:  # it ended since it was listed
            return None
        run, mode, directory = told.strip().split("|")
        return Found(name=name, run=run, mode=mode, directory=Path(directory))

    def _command(
        self,
        spec: SandboxSpec,
        *,
        name: str,
        mode: layout.Mode,
        control: Path | None,
        labels: Mapping[str, str],
        held: bool = False,
    ) -> Sequence[str]:
        is_root = os.getuid() == 0
        user, group = (layout.USER, layout.USER) if is_root else (os.getuid(), os.getgid())
        container = Container(
            engine=self._engine,
            image=self._image,
            name=name,
            mode=mode,
            held=held,
            user=f"{user}:{group}",
            labels={"run": spec.run, "mode": mode, **labels},
            control=control,
            gpu=self._gpu if spec.gpu != "none" else (),
            runtime=self._runtime,
            users=None if is_root else self._users_of_a_person,
        )
        if spec.gpu == "required" and not container.gpu:
            raise SandboxError(gpus.missing(self._engine, self._gpu_offers))
        command = arguments(container, spec)
        if is_root:
            check_readable(layout.sources(spec, writable=False))
            give_to(layout.USER + self._shift, layout.sources(spec, writable=True))
        return (engines.locate(self._engine), *command)

    @cached_property
    def _image(self) -> str:
        image = self._given or find_image(self._engine)
        if image is None:
            raise SandboxError(f"{self._engine} has no sandbox image yet; run `ml-intern sandbox build`")
        return image

    @cached_property
    def _shift(self) -> int:
        """Give how far the engine moves the users of all containers away (`userns-remap`); 0 where it does not.

        The engine tells it in the name of its folder, which ends in the user and the group that 0 becomes.
        """
        if self._engine != "docker":
            return 0
        told = self._ask("info", "--format", "{{json .SecurityOptions}} {{.DockerRootDir}}")
        options, _, folder = told.strip().rpartition(" ")
        user = PurePosixPath(folder).name.partition(".")[0]
        return int(user) if '"name=userns"' in options and user.isdigit() else 0

    @property
    def _users_of_a_person(self) -> str | None:
        """Say how a person who is not root keeps the own files: a shift would make them those of nobody."""
        if self._engine == "podman":
            return "keep-id"
        return "host" if self._shift else None

    @cached_property
    def _gpu_offers(self) -> Mapping[tuple[str, ...], str]:
        """Give each way this engine could give a GPU away, and what a trial start said: empty where it worked."""
        offers = gpus.offers(self._engine, self._ask("info", "--format", "{{json .}}"))
        return {flags: self._trial(flags) for flags in offers}

    @cached_property
    def _gpu(self) -> tuple[str, ...]:
        return next((flags for flags, problem in self._gpu_offers.items() if not problem), ())

    def _trial(self, flags: tuple[str, ...]) -> str:
        """Start a container with a GPU: that a toolkit is installed does not mean that there is a card."""
        try:
            self._ask("run", "--rm", "--pull", "never", "--network", "none", *flags, "--entrypoint", _PYTHON,
                      self._image, "-c", "")  # fmt: skip
        except SandboxError as error:
            return str(error)
        return ""

    def remove(self, name: str) -> None:
        """Remove a container with everything in it, if it is still there."""
        with contextlib.suppress(SandboxError):  # it is gone, which is what is wanted
            self._ask("rm", "--force", name)

    def _ask(self, *command: str) -> str:
        return engines.ask(self._engine, *command)


def _held(argv: Sequence[str]) -> Sequence[str]:
    order = holder.Order(user=0, processors=0, files={}, environment=dict(engines.environment()), argv=[*argv])
    return holder.command(order)


def podman(runtime: str | None = None) -> DockerBackend:
    """Give the same backend over Podman's command line."""
    return DockerBackend(engine="podman", runtime=runtime)


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
    memory = str(layout.hard_memory(container.mode, spec))
    # Podman 4 does not know the option: its files in memory are bounded by their bytes only
    names = "" if container.engine == "podman" else f"nr_inodes={spec.limits.files},"
    # no --init: the supervisor must be process 1, where signals from inside do not reach it
    fixed = (
        "run", "--rm", "--pull", "never", "--name", container.name, "--hostname", "sandbox",
        "--network", "none", "--read-only", "--ipc", "private", "--user", container.user,
        "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--log-driver", "none",
        "--pids-limit", str(spec.limits.processes), "--memory", memory, "--memory-swap", memory,
        "--oom-score-adj", "500", "--ulimit", "nofile=4096:4096", "--ulimit", "core=0",
        "--tmpfs", f"/tmp:rw,exec,nosuid,nodev,size={sizes.temporary},{names}mode=1777",
        "--tmpfs", f"/dev/shm:rw,exec,nosuid,nodev,size={sizes.shared},{names}mode=1777",
        # Podman's removal would wait ten seconds for process 1, which takes no signal
        "--workdir", "/", "--stop-timeout", "0", "--entrypoint", _PYTHON,
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
    interactive = ("--interactive",) if container.mode == "session" or container.held else ()
    processors = ("--cpus", f"{spec.limits.cpus:g}") if spec.limits.cpus is not None else ()
    runtime = ("--runtime", container.runtime) if container.runtime is not None else ()
    # SELinux would forbid every mount that is not relabelled, and relabelling changes the person's files
    podman_only = ("--security-opt", "label=disable") if container.engine == "podman" else ()
    mapped = ("--userns", container.users) if container.users is not None else ()
    return (*interactive, *processors, *runtime, *container.gpu, *podman_only, *mapped)


def _each(flag: str, values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(part for key, value in values.items() for part in (flag, f"{key}={value}"))


def _mount(mount: Mount) -> str:
    """Write a mount in the engine's comma-separated form; quoted, since a path may hold a comma."""
    row = ["type=bind", f"source={mount.source}", f"target={mount.target}", *([] if mount.writable else ["readonly"])]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(row)
    return line.getvalue()
