"""Jobs that outlive the agent: a detached process whose events go to a file, started once and followed by anyone.

The folder of a job holds

    claim.json    who started what; locked by the detached process for as long as it lives
    control/      what the inside may read: the order, its standard input, a request to stop; of a held job the input
                  comes later
    events.jsonl  what the supervisor says; the only source of a result
    output.log    what the program printed, and the engine's own errors

The claim appears by a link that fails where one exists (as O_EXCL does), already locked, so nobody sees it unlocked
while its process is being started. The lock belongs to the open file, which the detached process inherits: it ends
with that process, also through `kill -9` and power loss, and no process id is ever mistaken for another.

Two jobs are as if they had never been started: one whose starter died between the claim and the start, so that nobody
holds the claim and no event is there; and a held one that nobody handed its input. That hangs on a pipe of its starter
until then, and ends with a starter that dies before.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import JobEvent, JobResult, JobSpec, Observed, Printed, Reported

_POLL, _SHORTEST, _SHARE = 0.1, 0.005, 0.02
"""Seconds between two looks at the events at most and at least; between, this share of the time since the start."""
_PATIENCE = 60.0
"""Seconds until a detached process must have started the program."""
_LAST_RESORT = 15.0
"""Seconds after a request to stop until the sandbox itself is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a detached process; `environment` is its whole environment."""

    argv: Sequence[str]
    environment: Mapping[str, str]


def begin(
    job: JobSpec,
    launch: Callable[[Path], Launch],
    *,
    backend: str,
    end: Callable[[int | None], None],
    lingers: bool = False,
) -> DetachedJob:
    """Start `job` by what `launch` gives for its control folder, or attach where it was started before.

    Args:
        job: what shall run.
        launch: gives the command to start.
        backend: noted in the claim.
        end: ends a sandbox from outside, given the process id of the detached process while that lives.
        lingers: whether the detached process takes its time after the exit, as an engine does to remove a container,
            and nobody needs to wait for that.

    Raises:
        SandboxError: it cannot start.
    """
    control, claim = job.directory / "control", job.directory / "claim.json"
    if claim.exists() and job.argv:
        _forget_unbegun(job, end)
    if claim.exists():
        return DetachedJob(job.directory, end)
    control.mkdir(parents=True, exist_ok=True)
    started = launch(control)
    lock = _claim(claim, {"backend": backend, "argv": list(job.argv)})
    if lock is None:
        return DetachedJob(job.directory, end)
    source, pipe = os.pipe() if job.held else (None, None)
    try:
        _write_order(job)
        pid = _detach(started, job.directory, lock, source)
    except BaseException:
        _close(pipe)
        raise
    finally:
        os.close(lock)
        _close(source)
    handle = DetachedJob(job.directory, end, _Child(pid=pid, pipe=pipe, lingers=lingers))
    handle.await_start()
    return handle


@dataclass(slots=True, kw_only=True)
class _Child:
    """The detached process of a job that was started here. `pipe` is what it hangs on while it is held."""

    pid: int
    pipe: int | None
    lingers: bool

    def let_go(self) -> None:
        """Close the pipe; safe to call twice."""
        pipe, self.pipe = self.pipe, None
        _close(pipe)

    def bury_later(self) -> None:
        """Leave no zombie, and wait for nothing."""
        threading.Thread(target=_bury, args=(self.pid, 0), daemon=True).start()


def _bury(pid: int, options: int) -> None:
    with contextlib.suppress(ChildProcessError):  # somebody else did
        os.waitpid(pid, options)


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _forget_unbegun(job: JobSpec, end: Callable[[int | None], None]) -> None:
    """Withdraw the claim of a job that never began: its starter died too early, or before it handed it its input."""
    claim, before = job.directory / "claim.json", DetachedJob(job.directory, end)
    is_unused = job.held and not (job.directory / "control" / "stdin").exists()
    if is_unused:
        before.bury()
    with contextlib.suppress(FileNotFoundError, BlockingIOError), claim.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_same = os.path.samestat(os.fstat(file.fileno()), claim.stat())  # and not a newer one of somebody else
        if is_same and (is_unused or before.said_nothing()):
            end(None)
            claim.unlink()


class DetachedJob:
    """Follows a job by its folder alone."""

    def __init__(self, directory: Path, end: Callable[[int | None], None], child: _Child | None = None) -> None:
        self._directory = directory
        self._end = end
        self._child = child

    def wait(self, *, on_event: Callable[[JobEvent], None], cancelled: Callable[[], bool] = lambda: False) -> JobResult:
        """Follow it from its beginning; see `core.sandbox.Job`."""
        printed: list[str] = []
        reports: list[str] = []

        def tell(event: JobEvent) -> None:
            if isinstance(event, Printed):
                printed.append(event.text)
            else:
                reports.append(event.line)
            on_event(event)

        last: Mapping[str, object] = {}
        for last in self._events(cancelled):
            for event in _shown(last):
                tell(event)
        is_known = last.get("event") == "exit"
        if is_known and self._child is not None and self._child.lingers:
            self._child.bury_later()
        else:
            self.bury()
        if not is_known:
            self._end(None)
        return JobResult(
            exit_code=_integer(last.get("code")) if is_known else None,
            reason=_text(last.get("reason")) if is_known else "lost",
            output="".join(printed),
            reports=tuple(reports),
            seconds=_number(last.get("seconds")),
            observed=_observed(last.get("observed")),
        )

    def hand(self, stdin: bytes) -> None:
        """Write the input where the inside finds it, and let it begin; see `core.sandbox.Job`."""
        target = self._directory / "control" / "stdin"
        if not target.exists():
            draft = self._directory / f"stdin.{os.getpid()}"
            draft.write_bytes(stdin)
            draft.chmod(0o644)
            draft.replace(target)
        if self._child is not None and self._child.pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # it ended meanwhile, as whoever waits for it learns
                os.write(self._child.pipe, b"\n")
            self._child.let_go()

    def stop(self, reason: str) -> None:
        """Leave a request that the supervisor reads; see `core.sandbox.Job`."""
        if self._child is not None and self._child.pipe is not None:
            self._child.let_go()
            self._child.bury_later()  # nobody needs to wait for what was never begun
        target = self._directory / "control" / "stop"
        if not target.exists():
            draft = self._directory / f"stop.{os.getpid()}"
            draft.write_text(reason, "utf-8")
            draft.chmod(0o644)
            draft.replace(target)

    def await_start(self) -> None:
        """Wait until the program runs.

        Raises:
            SandboxError: it does not; the claim is withdrawn, so that it can be started again.
        """
        deadline = time.monotonic() + _PATIENCE
        while self.said_nothing():
            is_alive = self.lives()
            if is_alive and time.monotonic() < deadline:
                time.sleep(0.02)
            elif self.said_nothing():
                self._withdraw("did not answer in time" if is_alive else "ended at once")

    def said_nothing(self) -> bool:
        """Tell whether there is no event of it: as long as that is so, its program was not started."""
        events = self._directory / "events.jsonl"
        return not events.exists() or not events.stat().st_size

    def _withdraw(self, what: str) -> None:
        self._kill()
        self.bury()
        said = (self._directory / "output.log").read_text("utf-8", "replace")[-2000:].strip()
        (self._directory / "claim.json").unlink()
        raise SandboxError(f"the sandbox {what}: {said or 'it said nothing'}")

    def _events(self, cancelled: Callable[[], bool]) -> Iterator[Mapping[str, object]]:
        """Give all events up to the exit, or to the death of the process without one."""
        kill_at: float | None = None
        began = time.monotonic()
        (self._directory / "events.jsonl").touch()  # its starter may be about to
        with (self._directory / "events.jsonl").open("rb") as file:
            while True:
                is_alive = self.lives()  # asked before reading: what it wrote before its death is seen
                for event in _lines(file):
                    yield event
                    if event.get("event") == "exit":
                        return
                if not is_alive:
                    return
                if kill_at is None and (cancelled() or (self._directory / "control" / "stop").exists()):
                    self.stop("cancelled")
                    kill_at = time.monotonic() + _LAST_RESORT
                if kill_at is not None and time.monotonic() > kill_at:
                    self._kill()
                time.sleep(min(_POLL, max(_SHORTEST, _SHARE * (time.monotonic() - began))))

    def lives(self) -> bool:
        """Tell whether the detached process holds its lock."""
        with (self._directory / "claim.json").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _kill(self) -> None:
        """End the sandbox from outside, where its supervisor does not."""
        with contextlib.suppress(ProcessLookupError):
            self._end(self._holder() if self.lives() else None)

    def _holder(self) -> int | None:
        """Give the detached process; its starter may have died before it noted the number."""
        with contextlib.suppress(FileNotFoundError):
            return int((self._directory / "pid").read_text("ascii"))
        claim = (self._directory / "claim.json").stat()
        return next((pid for pid, found in _open_files() if os.path.samestat(found, claim)), None)

    def bury(self) -> None:
        """Wait until the detached process is gone, so that its mounts are free, and leave no zombie."""
        deadline = time.monotonic() + _LAST_RESORT
        while self.lives() and time.monotonic() < deadline:
            time.sleep(0.01)
        if self._child is not None:
            self._child.let_go()
            _bury(self._child.pid, os.WNOHANG)


def _open_files() -> Iterator[tuple[int, os.stat_result]]:
    """Give what each process that may be looked into has open (Linux; nothing elsewhere)."""
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # closed meanwhile, or not ours
            yield int(descriptor.parts[2]), descriptor.stat()


def _write_order(job: JobSpec) -> None:
    control = job.directory / "control"
    control.chmod(0o755)
    (control / "stop").unlink(missing_ok=True)
    more: dict[str, object] = {"observed": job.observed} if job.observed else {}
    more |= {"held": True} if job.held else {}
    order = json.dumps({"argv": list(job.argv), "timeout": job.timeout, **more}).encode()
    for name, content in (("job.json", order), *(() if job.held else (("stdin", job.stdin),))):
        (control / name).write_bytes(content)
        (control / name).chmod(0o644)


def _claim(path: Path, content: Mapping[str, object]) -> int | None:
    """Create `path`, locked; give the descriptor that holds the lock, or None where somebody was first."""
    draft = path.with_name(f"claim.{os.getpid()}.{time.monotonic_ns()}")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps(content).encode())
        path.hardlink_to(draft)
    except FileExistsError:
        os.close(descriptor)
        return None
    finally:
        draft.unlink()
    return descriptor


def _detach(launch: Launch, directory: Path, lock: int, source: int | None) -> int:
    """Start the process in a session of its own; it inherits `lock`, `source` as its input, and nothing else."""
    appending = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    actions = [
        nothing if source is None else (os.POSIX_SPAWN_DUP2, source, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(directory / "events.jsonl"), appending, 0o644),
        (os.POSIX_SPAWN_OPEN, 2, str(directory / "output.log"), appending, 0o644),
        # onto itself: inherited by this process alone, and not by what another thread starts at the same time
        (os.POSIX_SPAWN_DUP2, lock, lock),
    ]
    try:
        pid = os.posix_spawn(
            launch.argv[0], list(launch.argv), dict(launch.environment), file_actions=actions, setsid=True
        )
    except OSError as error:
        (directory / "claim.json").unlink()
        raise SandboxError(f"{launch.argv[0]} cannot be started: {error}") from error
    (directory / "pid").write_text(str(pid), "ascii")
    return pid


def _lines(file: IO[bytes]) -> Iterator[Mapping[str, object]]:
    """Give the complete lines from here on; a torn one is left for the next time."""
    while line := file.readline():
        if not line.endswith(b"\n"):
            file.seek(-len(line), os.SEEK_CUR)
            return
        event: dict[str, object] = json.loads(line)
        yield event


def _observed(counted: object) -> Mapping[str, Observed]:
    """Read the supervisor's counts: `[opened, read]` of each file, or null where it could not watch."""
    files = cast("Mapping[str, Sequence[int] | None]", counted or {})
    return {name: Observed(opened=counts[0], read=counts[1]) for name, counts in files.items() if counts}


def _shown(event: Mapping[str, object]) -> Iterator[JobEvent]:
    """Translate one event of the supervisor."""
    match event.get("event"):
        case "output":
            yield Printed(stream="stderr" if event.get("stream") == "stderr" else "stdout", text=str(event["text"]))
        case "report":
            yield Reported(line=str(event["line"]))
        case "exit":
            if tail := str(event.get("tail") or ""):
                yield Printed(stream="stdout", text=f"\n[… {event.get('dropped')} bytes dropped …]\n{tail}")
            if detail := str(event.get("detail") or ""):
                yield Printed(stream="stderr", text=f"\n[{event.get('reason')}: {detail}]\n")
        case _:
            return


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
