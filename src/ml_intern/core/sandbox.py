"""The contract of a place that runs untrusted code: a persistent kernel, and jobs that outlive the agent.

A backend (Docker, a rootless container) opens sandboxes and starts jobs. Nothing inside has a network, a key or
a path that `SandboxSpec` does not name. Every backend passes `tests/conformance/sandbox.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

WITHOUT_WALLS = "none"
"""Name of the backend whose jobs are plain processes."""

Stream: TypeAlias = Literal["stdout", "stderr"]
GPU: TypeAlias = Literal["none", "auto", "required"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder or file of the host that the sandbox sees at the absolute path `target`."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Upper limits of one sandbox: bytes for memory, disk and file size; `processes` counts threads too.

    `files` is how many files and folders may lie below the writable mounts, and in each file system in memory.
    """

    memory: int = 8 << 30
    disk: int = 16 << 30
    files: int = 200_000
    processes: int = 512
    cpus: float | None = None
    output: int = 1 << 20
    """Bytes of output passed on per execution or job; the rest is counted and its tail kept."""
    stored: int = 64 << 20
    """Bytes of output kept in the log of an execution or job; of more, the tail is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSpec:
    """What the inside sees. `run` labels everything started, so that clean-up never touches another run.

    `shows_bundled_data`: whether the labelled data that libraries carry can be read inside. Only the workers that
    prepare data need it; code of the agent could look hidden labels up there.
    `has_packages`: whether the packages that the run installed can be imported; only where code of the agent runs.
    `preload`: modules that a session imports ahead of need, so that the first use of torch costs nothing.
    """

    run: str
    mounts: tuple[Mount, ...]
    working_directory: str = "/workspace"
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    limits: Limits = field(default_factory=Limits)
    gpu: GPU = "none"
    shows_bundled_data: bool = False
    has_packages: bool = False
    preload: tuple[str, ...] = ("torch", "torch._dynamo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How one piece of code ended in the kernel.

    `value` is the repr of a last expression; `error` the exception as `Name: message`; `traceback` the frames of
    the user's code; `died` says why the worker was lost (out of memory, signal, exit, limit) and a fresh one
    stands in its place. `seconds` is wall-clock. `dropped` counts bytes of output that were not passed on.
    `artefacts` are paths, as the inside sees them, of files that the session made of figures; their names come from
    the inside and prove nothing.
    """

    output: str
    seconds: float
    value: str | None = None
    error: str | None = None
    traceback: str | None = None
    timed_out: bool = False
    interrupted: bool = False
    died: str | None = None
    dropped: int = 0
    artefacts: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the code ran to its end."""
        return self.error is None and self.died is None and not self.timed_out and not self.interrupted


class Sandbox(Protocol):
    """A persistent Python session: variables live from one execution to the next."""

    def execute(
        self,
        code: str,
        *,
        timeout: float,
        on_output: Callable[[str], None],
        cancelled: Callable[[], bool] = lambda: False,
        log: Callable[[str], object] | None = None,
    ) -> Execution:
        """Run `code`; `on_output` sees chunks as they are printed, from this thread.

        Args:
            code: Python source.
            timeout: seconds after which it is interrupted, and killed if it does not yield.
            on_output: called with each chunk, up to `Limits.output` and then with the end.
            cancelled: polled at least every 0.25 s; true interrupts.
            log: called with all that is printed, up to `Limits.stored` and then with the end.

        Raises:
            SandboxError: the sandbox failed, whatever the code did.
        """
        ...

    def close(self) -> None:
        """Free every resource; safe to call twice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A process to run to its end in a sandbox of its own.

    `directory` (on the host, not visible inside) names the job: it holds `events.jsonl`, `output.log` and the
    claim. Starting the same directory again attaches to what runs or ran there; nothing is started twice.
    `argv[0]` is looked up inside; use `python` for the sandbox's interpreter; empty, it is attached to only.
    `timeout` in seconds of wall-clock.
    `observed` are files, as the inside names them, whose openings and reads the kernel counts while it runs.
    `held`: its standard input comes later, by `Job.hand`. It runs until it reads that, so that its libraries are there
    by then; its time begins when it is handed over, and until then it ends with whoever started it.
    """

    directory: Path
    argv: tuple[str, ...]
    stdin: bytes = b""
    timeout: float = 3600.0
    observed: tuple[str, ...] = ()
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A chunk of the job's output."""

    stream: Stream
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """One line that the job wrote to the descriptor named by `ML_INTERN_REPORT_FD`, without its newline.

    Not the output: what the code prints never arrives here.
    """

    line: str


JobEvent: TypeAlias = Printed | Reported


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """How often a file was opened and read by whatever process of a job; reads through `mmap` are not counted."""

    opened: int
    read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How a job ended: `exit_code` is None where `reason` (timeout, memory, disk, stopped, lost, signal N) ended it.

    `observed` has the files of `JobSpec.observed` that the kernel could watch.
    """

    exit_code: int | None
    reason: str | None
    output: str
    reports: tuple[str, ...]
    seconds: float
    observed: Mapping[str, Observed] = field(default_factory=dict[str, Observed])

    @property
    def ok(self) -> bool:
        """Whether it exited by itself with status 0."""
        return self.exit_code == 0


class Job(Protocol):
    """A started process; it outlives the agent that started it."""

    def wait(self, *, on_event: Callable[[JobEvent], None], cancelled: Callable[[], bool] = lambda: False) -> JobResult:
        """Follow it from its beginning to its end; `on_event` sees every event once, from this thread.

        `cancelled` is polled at least every 0.25 s; true stops the job.
        """
        ...

    def hand(self, stdin: bytes) -> None:
        """Give a held job its standard input; what it was handed first counts, also where it was attached to since."""
        ...

    def stop(self, reason: str) -> None:
        """Ask it to end now; it is interrupted first and killed after a grace of 3 s. Safe to call twice.

        A held job that was handed nothing ends at once.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Whether a backend works here, found by really starting it; `detail` says why, or why not and what to do.

    `lacks` are walls that were tried and fell; `unprotected` is what its kind never protects from, tried or not.
    """

    works: bool
    detail: str
    protects_from: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    unprotected: tuple[str, ...] = ()


class SandboxBackend(Protocol):
    """A way to confine code on this machine."""

    @property
    def name(self) -> str:
        """Its name on the command line."""
        ...

    def check(self) -> Availability:
        """Start a sandbox and try a handful of probes."""
        ...

    def open(self, spec: SandboxSpec) -> Sandbox:
        """Start a persistent session.

        Raises:
            SandboxError: it cannot start; the message says what to do.
        """
        ...

    def start(self, spec: SandboxSpec, job: JobSpec) -> Job:
        """Start `job` detached, or attach to it where its directory says it was started before.

        Raises:
            SandboxError: it cannot start; the message says what to do.
        """
        ...

    def reap(self, is_alive: Callable[[str], bool]) -> Sequence[str]:
        """Remove what sessions of dead agents left; returns the runs cleaned. Jobs of resumable runs stay."""
        ...


def has_walls(backend: SandboxBackend) -> bool:
    """Tell whether sandboxes that run at the same time cannot see each other: else they run one after the other."""
    return backend.name != WITHOUT_WALLS
