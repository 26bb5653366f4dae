"""Serve a persistent session: pass code to a worker process, watch it, and replace it when it dies.

Requests (stdin): `execute {id, code, timeout, output, stored}` and `interrupt {id}`; the end of stdin ends the sandbox.
Events (stdout): `ready`, `warm` (torch is imported), `output {id, stream, text, shown}`, `done {id, …}`.
"""

from __future__ import annotations

import _signal as signal  # `signal` makes enumerations of it, which takes longer than all else here
import os
import time

import lean
import processes
from bounded import TAIL, Bounded
from channel import Channel
from hiring import Hiring, Worker
from watchdog import Watchdog

TYPE_CHECKING = False  # as in `typing`, whose import would be a tenth of a start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_RESULT = 1 << 20
"""Bytes of the longest line that a worker may send."""
_DRAIN = 32
"""Chunks taken at once, more than a pipe holds: a child that writes without end must not keep this process busy."""
_TEXT = 1 << 16
"""Characters of each field of a result."""
_ARTEFACTS = 10
_IMPORTS = 15.0
"""Seconds that modules being imported may put an interrupt off; the first import of torch takes some."""
_INSIST = 0.05
"""Seconds between two interrupts of code that has not yielded."""
_HEAD_START = 0.05
"""Seconds that the first worker has before the nursery takes a share of the processor."""
_IDLE = 0.3
"""Seconds without an execution after which a worker with variables imports torch too."""


class Cell:
    """One execution under way. `line` waits for a worker that has torch; `booted` is its start since boot, seconds."""

    def __init__(self, request: dict[str, Any], emit: Callable[[str, str, bool], None]) -> None:
        self.id = request["id"]
        self.nonce = os.urandom(16).hex()
        self.output = Bounded(request["output"], request["stored"], emit)
        self.began = time.monotonic()
        self.booted = time.clock_gettime(time.CLOCK_BOOTTIME)
        self.deadline = self.began + request["timeout"]
        self.line: bytes | None = lean.dumps({"nonce": self.nonce, "code": request["code"]}).encode() + b"\n"
        self.cause: str | None = None
        self.kill_at = 0.0
        self.interrupted_at = self.insist_at = 0.0


def serve(settings: dict[str, Any], requests: int, events: int) -> None:
    """Serve until `requests` ends."""
    _Session(settings, requests, events).run()


class _Session:
    def __init__(self, settings: dict[str, Any], requests: int, events: int) -> None:
        self._settings = settings
        self._loop = processes.Loop()
        self._host = Channel(self._loop, requests, events, obey=self._obey, relieved=self._loop.release)
        self._watchdog = Watchdog(settings)
        self._cell: Cell | None = None
        self._why: str | None = None  # why this process killed the worker
        self._unheard = b""  # printed, or died of, while nothing ran
        self._result = bytearray()
        self._is_preloading = False
        self._hiring = Hiring(settings, self._loop, self._warmed)
        self._worker = self._employ()
        self._idle_since = time.monotonic()

    def run(self) -> None:
        self._host.send(event="ready")
        while not self._host.is_closed:
            self._loop.turn(self._patience())
            if ended := processes.bury():
                self._hiring.note_ends(ended)
                if (status := ended.get(self._worker.pid)) is not None:
                    self._replace(status)
            self._check()
        processes.kill_all()

    def _patience(self) -> float:
        """Give the seconds until something is due."""
        cell, now = self._cell, time.monotonic()
        if cell is None:
            return processes.TICK
        return _INSIST if cell.cause else cell.deadline - now

    # requests

    def _obey(self, request: dict[str, Any]) -> None:
        if request["op"] == "execute":
            self._begin(request)
        elif self._cell and self._cell.id == request["id"]:
            self._interrupt("interrupted")

    def _begin(self, request: dict[str, Any]) -> None:
        self._drain_streams()
        self._watchdog.count_left()
        number = request["id"]

        def emit(stream: str, text: str, is_shown: bool) -> None:
            self._host.send(event="output", id=number, stream=stream, text=text, shown=is_shown)

        self._cell = cell = Cell(request, emit)
        cell.output.feed("stderr", self._unheard)
        self._unheard = b""
        if self._is_worth_waiting(request["code"]):
            self._hiring.warm_up()
        else:
            self._pass_on(cell)

    def _is_worth_waiting(self, code: str) -> bool:
        """Whether the nursery will have torch before a worker without variables had imported it."""
        is_cold = not (self._worker.has_run or self._worker.is_warm)
        return is_cold and self._hiring.can_warm and "torch" in code

    def _pass_on(self, cell: Cell) -> None:
        line, cell.line = cell.line, None
        self._worker.has_run = True
        self._command(line or b"")

    def _command(self, line: bytes) -> None:
        try:
            os.write(self._worker.commands, line)  # the pipe is empty and holds more than the host sends
        except OSError:  # full or closed: its code tampers with the pipe
            self._kill("it no longer takes commands")

    # limits

    def _check(self) -> None:
        if limit := self._watchdog.exceeded(self._hiring.spared):
            self._kill(f"it passed the limit of {limit}")
        cell, now = self._cell, time.monotonic()
        if cell is None:
            self._warm_in_time(now - self._idle_since)
        elif cell.cause:
            self._insist(cell, now)
        elif now >= cell.deadline:
            self._interrupt("timed_out")

    def _interrupt(self, cause: str) -> None:
        if self._cell and self._cell.cause is None:
            self._cell.cause = cause
            self._cell.interrupted_at = time.monotonic()
            self._cell.kill_at = self._cell.interrupted_at + processes.GRACE
            if self._cell.line is not None:
                self._finish(died=None)
            else:
                processes.send(self._worker.pid, signal.SIGINT)

    def _insist(self, cell: Cell, now: float) -> None:
        """Signal again, because the worker puts an interrupt off while a module is half imported."""
        if now >= cell.kill_at:
            self._kill(f"it did not stop within {now - cell.interrupted_at:.0f} s of the interrupt")
        elif now >= cell.insist_at:  # not at once: each signal interrupts the handler of the one before
            cell.insist_at = now + _INSIST
            processes.send(self._worker.pid, signal.SIGINT)

    def _kill(self, why: str) -> None:
        self._why = self._why or why
        processes.kill_all(self._hiring.spared)

    # worker

    def _warm_in_time(self, idle: float) -> None:
        """Have torch imported while nothing runs: by the nursery, or first by a worker that must be kept."""
        worker = self._worker
        if worker.has_run and not worker.is_warm:
            if idle > _IDLE and self._hiring.can_warm:
                worker.is_warm = self._is_preloading = True
                self._command(lean.dumps({"preload": self._settings["preload"]}).encode() + b"\n")
        elif idle > _HEAD_START and not (worker.has_run and self._is_preloading):
            self._hiring.warm_up()

    def _warmed(self) -> None:
        """Take a worker from the nursery, if the one at hand holds nothing yet."""
        if self._hiring.is_warm and not self._worker.has_run:
            processes.send(self._worker.pid, signal.SIGKILL)
            self._dismiss()
            self._worker = self._employ()
            self._host.send(event="warm")
        if self._cell and self._cell.line is not None:
            self._pass_on(self._cell)

    def _employ(self) -> Worker:
        worker = self._hiring.hire()
        for descriptor in worker.streams:
            self._loop.watch(descriptor, lambda descriptor=descriptor: self._hear(descriptor))
        self._loop.watch(worker.results, self._hear_result)
        self._loop.watch(worker.reports, lambda: self._drop(worker.reports))
        return worker

    def _dismiss(self) -> None:
        """Close this end of the worker's pipes."""
        for descriptor in (*self._worker.streams, self._worker.results, self._worker.reports):
            self._loop.forget(descriptor)
        os.close(self._worker.commands)
        self._result.clear()
        self._is_preloading = False

    def _replace(self, status: int) -> None:
        """Bury the worker, tell what it died of, and start a fresh one."""
        processes.clear(self._hiring.spared)
        self._watchdog.count_left()
        self._drain_streams()
        self._hear_result()  # it may have finished its cell before it died
        # it may have died of itself just before it was killed
        why = self._why if self._why and status == -signal.SIGKILL else self._cause(status)
        self._dismiss()
        self._why = None
        cell = self._cell
        if cell and cell.line is None:
            self._finish(died=why)
        elif cell is None:
            note = f"[the session was lost between two executions: {why}; its variables are gone]\n"
            self._unheard = (self._unheard + note.encode())[-TAIL:]
        self._worker = self._employ()

    def _cause(self, status: int) -> str:
        if status >= 0:
            return f"the code ended its process with status {status}"
        if status == -signal.SIGKILL and processes.kernel_kills() > self._worker.kernel_kills:
            return "it passed the limit of memory"
        name = f"signal {-status} ({_name(-status)})"
        if status == -signal.SIGKILL and (used := self._watchdog.pressing()):
            return f"{name}, most likely out of memory: {used >> 20} MiB were in use just before"
        return name

    def _drop(self, descriptor: int) -> None:
        if processes.read(descriptor) == b"":
            self._loop.forget(descriptor)

    def _hear(self, descriptor: int) -> bool:
        """Take one chunk of output; false when nothing is there any more."""
        data = processes.read(descriptor)
        if not data:
            if data is not None:
                self._loop.forget(descriptor)
            return False
        if self._cell:
            self._cell.output.feed(self._worker.streams[descriptor], data)
        else:
            self._unheard = (self._unheard + data)[-TAIL:]
        if self._host.is_full:
            for stream in self._worker.streams:
                self._loop.hold(stream)
        return True

    def _drain_streams(self) -> None:
        for descriptor in self._worker.streams:
            for _ in range(_DRAIN):
                if not (self._loop.watches(descriptor) and self._hear(descriptor)):
                    break

    def _hear_result(self) -> None:
        if not self._loop.watches(self._worker.results):
            return
        for _ in range(_DRAIN):
            data = processes.read(self._worker.results)
            if not data:
                if data is not None:
                    self._loop.forget(self._worker.results)
                return
            self._result += data
            *lines, rest = self._result.split(b"\n")
            self._result = rest if len(rest) <= _RESULT else bytearray()
            for line in lines:
                self._accept(line)

    def _accept(self, line: bytes) -> None:
        """End the cell, if `line` carries its nonce: user code may write to this pipe too."""
        try:
            result = lean.loads(line)
        except ValueError:
            return
        if not isinstance(result, dict):
            return
        if result.get("preloaded") is True:  # if forged, it does no harm
            self._is_preloading = False
            self._host.send(event="warm")
        if self._cell and result.get("importing") is True:  # if forged, for a while only
            self._cell.kill_at = min(time.monotonic() + processes.GRACE, self._cell.interrupted_at + _IMPORTS)
        if self._cell and result.get("nonce") == self._cell.nonce:
            self._drain_streams()
            fields = {name: _text(result.get(name)) for name in ("value", "error", "traceback")}
            self._finish(died=None, artefacts=_texts(result.get("artefacts")), **fields)

    def _finish(self, *, died: str | None, artefacts: list[str] | None = None, **fields: str | None) -> None:
        cell = self._cell
        if cell is None:
            return
        self._settle(cell)
        self._cell = None
        self._idle_since = time.monotonic()
        self._host.send(
            event="done",
            id=cell.id,
            **fields,
            died=died,
            artefacts=artefacts or [],
            timed_out=cell.cause == "timed_out",
            interrupted=cell.cause == "interrupted",
            seconds=self._idle_since - cell.began,
            **cell.output.finish(),
        )

    def _settle(self, cell: Cell) -> None:
        """Say which processes did not survive the cell, and end those that an interrupted one left behind."""
        if (kills := processes.kernel_kills()) > self._worker.kernel_kills:
            self._worker.kernel_kills = kills
            cell.output.feed("stderr", b"[out of memory: the kernel ended a process of this code]\n")
        if cell.cause is None:
            return
        spared = {self._worker.pid, *self._hiring.spared}
        ended = processes.kill_these(lambda: [p for p in processes.started_since(cell.booted) if p not in spared])
        if ended:
            note = f"[{len(ended)} processes that the interrupted code had started were ended]\n"
            cell.output.feed("stderr", note.encode())
            self._command(lean.dumps({"bury": ended}).encode() + b"\n")
        # threads that an interrupt leaves would starve every later execution
        left = len(set(processes.others()) - set(ended)) + processes.threads(self._worker.pid)
        if left > self._settings["processes"] // 2:
            self._kill("it left too many processes or threads behind")


def _name(number: int) -> str:
    from signal import Signals  # noqa: PLC0415 - not for a start

    return Signals(number).name


def _text(value: object) -> str | None:
    return value[:_TEXT] if isinstance(value, str) else None


def _texts(value: object) -> list[str]:
    return [text[:1000] for text in value[:_ARTEFACTS] if isinstance(text, str)] if isinstance(value, list) else []
