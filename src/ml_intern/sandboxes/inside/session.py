"""Serve a persistent session: pass code to a worker process, watch it, and replace it when it dies.

Requests (stdin): `execute {id, code, timeout, output}` and `interrupt {id}`; the end of stdin ends the sandbox.
Events (stdout): `ready`, `output {id, stream, text}`, `done {id, …}`.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import processes
from bounded import TAIL, Bounded
from watchdog import Watchdog

_RESULT = 1 << 20
"""Bytes of the longest line that a worker may send."""
_DRAIN = 32
"""Chunks taken at once, more than a pipe holds: a child that writes without end must not keep this process busy."""
_TEXT = 1 << 16
"""Characters of each field of a result."""


@dataclass(kw_only=True)
class Cell:
    """One execution under way."""

    id: int
    nonce: str
    output: Bounded
    began: float
    deadline: float
    cause: str | None = None
    kill_at: float = 0.0


@dataclass(kw_only=True)
class Worker:
    """The process that runs user code, and this end of its pipes."""

    pid: int
    commands: int
    results: int
    streams: dict[int, str]
    reports: int
    kernel_kills: int


def serve(settings: dict[str, Any], requests: int, events: int) -> None:
    """Serve until `requests` ends."""
    _Session(settings, requests, events).run()


class _Session:
    def __init__(self, settings: dict[str, Any], requests: int, events: int) -> None:
        self._settings = settings
        self._loop = processes.Loop()
        self._host = _Channel(self._loop, requests, events, self._obey)
        self._watchdog = Watchdog(memory=settings["memory"], disk=settings["disk"], roots=settings["writable"])
        self._cell: Cell | None = None
        self._why: str | None = None  # why this process killed the worker
        self._unheard = b""  # printed, or died of, while nothing ran
        self._result = bytearray()
        self._worker = self._hire()

    def run(self) -> None:
        self._host.send(event="ready")
        while not self._host.is_closed:
            self._loop.turn()
            if (status := processes.bury().get(self._worker.pid)) is not None:
                self._replace(status)
            self._check()
        processes.kill_all()

    # requests

    def _obey(self, request: dict[str, Any]) -> None:
        if request["op"] == "execute":
            self._begin(request)
        elif self._cell and self._cell.id == request["id"]:
            self._interrupt("interrupted")

    def _begin(self, request: dict[str, Any]) -> None:
        self._drain_streams()
        now = time.monotonic()
        number = request["id"]
        self._cell = cell = Cell(
            id=number,
            nonce=secrets.token_hex(16),
            output=Bounded(
                request["output"],
                lambda stream, text: self._host.send(event="output", id=number, stream=stream, text=text),
            ),
            began=now,
            deadline=now + request["timeout"],
        )
        cell.output.feed("stderr", self._unheard)
        self._unheard = b""
        line = json.dumps({"nonce": cell.nonce, "code": request["code"]}).encode() + b"\n"
        try:
            os.write(self._worker.commands, line)  # the pipe is empty and holds more than the host sends
        except OSError:  # full or closed: its code tampers with the pipe
            self._kill("it no longer takes commands")

    # limits

    def _check(self) -> None:
        if limit := self._watchdog.exceeded():
            self._kill(f"it passed the limit of {limit}")
        cell, now = self._cell, time.monotonic()
        if cell is None:
            return
        if cell.cause:
            self._insist(cell, now)
        elif now >= cell.deadline:
            self._interrupt("timed_out")

    def _interrupt(self, cause: str) -> None:
        if self._cell and self._cell.cause is None:
            self._cell.cause = cause
            self._cell.kill_at = time.monotonic() + processes.GRACE
            processes.send(self._worker.pid, signal.SIGINT)

    def _insist(self, cell: Cell, now: float) -> None:
        """Signal again, because the worker puts an interrupt off while a module is half imported."""
        if now >= cell.kill_at:
            self._kill(f"it did not stop within {processes.GRACE:g} s of the interrupt")
        else:
            processes.send(self._worker.pid, signal.SIGINT)

    def _kill(self, why: str) -> None:
        self._why = self._why or why
        processes.kill_all()

    # worker

    def _hire(self) -> Worker:
        command, command_end = processes.pipe()
        os.set_blocking(command, True)
        os.set_blocking(command_end, False)
        ends = [processes.pipe() for _ in range(4)]
        (out, out_end), (err, err_end), (results, result_end), (reports, report_end) = ends
        nothing = os.open(os.devnull, os.O_RDONLY)
        pid = processes.spawn(
            [sys.executable, str(Path(__file__).with_name("worker.py")), str(command), str(result_end)],
            streams=(nothing, out_end, err_end),
            keep=(command, result_end, report_end),
            environment={**os.environ, "ML_INTERN_REPORT_FD": str(report_end)},
            directory=self._settings["directory"],
            limits=processes.limits_of(self._settings),
        )
        for descriptor in (nothing, command, out_end, err_end, result_end, report_end):
            os.close(descriptor)
        for descriptor in (out, err):
            self._loop.watch(descriptor, lambda descriptor=descriptor: self._hear(descriptor))
        self._loop.watch(results, self._hear_result)
        self._loop.watch(reports, lambda: self._drop(reports))
        return Worker(
            pid=pid,
            commands=command_end,
            results=results,
            streams={out: "stdout", err: "stderr"},
            reports=reports,
            kernel_kills=processes.kernel_kills(),
        )

    def _replace(self, status: int) -> None:
        """Bury the worker, tell what it died of, and start a fresh one."""
        processes.clear()
        self._drain_streams()
        self._hear_result()  # it may have finished its cell before it died
        worker = self._worker
        # it may have died of itself just before it was killed
        why = self._why if self._why and status == -signal.SIGKILL else _cause(status, worker.kernel_kills)
        for descriptor in (*worker.streams, worker.results, worker.reports):
            self._loop.forget(descriptor)
        os.close(worker.commands)
        self._why = None
        self._result.clear()
        if self._cell:
            self._finish(died=why)
        else:
            note = f"[the session was lost between two executions: {why}; its variables are gone]\n"
            self._unheard = (self._unheard + note.encode())[-TAIL:]
        self._worker = self._hire()

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
            result = json.loads(line)
        except ValueError:
            return
        if self._cell and isinstance(result, dict) and result.get("nonce") == self._cell.nonce:
            self._drain_streams()
            fields = {name: _text(result.get(name)) for name in ("value", "error", "traceback")}
            self._finish(died=None, **fields)

    def _finish(self, *, died: str | None, **fields: str | None) -> None:
        cell = self._cell
        if cell is None:
            return
        self._cell = None
        dropped, tail = cell.output.finish()
        self._host.send(
            event="done",
            id=cell.id,
            **fields,
            died=died,
            timed_out=cell.cause == "timed_out",
            interrupted=cell.cause == "interrupted",
            dropped=dropped,
            tail=tail,
            seconds=time.monotonic() - cell.began,
        )
        # an interrupted flood of processes would starve every later execution
        if cell.cause and len(processes.others()) > self._settings["processes"] // 2:
            self._kill("it left too many processes behind")


def _text(value: object) -> str | None:
    return value[:_TEXT] if isinstance(value, str) else None


def _cause(status: int, kernel_kills: int) -> str:
    if status >= 0:
        return f"the code ended its process with status {status}"
    if status == -signal.SIGKILL and processes.kernel_kills() > kernel_kills:
        return "it passed the limit of memory"
    return f"signal {-status} ({signal.Signals(-status).name})"


class _Channel:
    """JSON lines to and from the host; never waits, so that limits are kept whatever the host does."""

    def __init__(
        self, loop: processes.Loop, requests: int, events: int, obey: Callable[[dict[str, Any]], None]
    ) -> None:
        self._requests = requests
        self._events = events
        self._obey = obey
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._loop = loop
        self.is_closed = False
        os.set_blocking(requests, False)
        os.set_blocking(events, False)
        loop.watch(requests, self._receive)

    def send(self, **event: object) -> None:
        """Queue one event and write what the host takes."""
        self._outgoing += json.dumps(event).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            while self._outgoing:
                del self._outgoing[: os.write(self._events, memoryview(self._outgoing)[: 1 << 16])]
        except BlockingIOError:
            self._loop.watch_writing(self._events, self._flush)
            return
        except OSError:
            self.is_closed = True
        self._loop.forget_writing(self._events)

    def _receive(self) -> None:
        data = processes.read(self._requests)
        if data == b"":
            self.is_closed = True
            self._loop.forget(self._requests)
        self._incoming += data or b""
        *lines, rest = self._incoming.split(b"\n")
        self._incoming = rest
        for line in lines:
            with contextlib.suppress(ValueError):
                self._obey(json.loads(line))
