"""Run one program to its end: stream its output and reports, keep its limits, obey a request to stop.

A held job gets its input later: the host writes it into the control folder and then a byte to standard input. The end
of standard input without one means that the host is gone, and ends the sandbox.
"""

from __future__ import annotations

import _signal as signal  # `signal` makes enumerations of it, which takes longer than all else here
import os
import time

import lean
import processes
from bounded import Bounded
from readers import Readers
from watchdog import Watchdog

TYPE_CHECKING = False  # as in `typing`, whose import would be a tenth of a start
if TYPE_CHECKING:
    from typing import Any

_LINE = 1 << 20
_REPORTS = 64 << 20
"""Bytes of the longest line of a report, and of all lines together; what is beyond is lost."""


def run_job(settings: dict[str, Any], requests: int, events: int) -> None:
    """Run the program that `job.json` in the control folder names and write its events to `events`.

    `requests` is the standard input of this process, which matters to a held job only.
    """
    order = lean.loads(processes.content(f"{settings['control']}/job.json"))
    job = _Job(settings, order, events)
    job.run(held_by=requests if order.get("held") else None)


class _Job:
    def __init__(self, settings: dict[str, Any], order: dict[str, Any], events: int) -> None:
        self._settings = settings
        self._order = order
        self._control: str = settings["control"]
        self._events = events
        self._loop = processes.Loop()
        self._output = Bounded(settings["output"], settings["stored"], self._print)
        self._reports = _Lines(lambda line: self._emit(event="report", line=line))
        self._watchdog = Watchdog(settings)
        self._readers = Readers(order.get("observed", ()))
        self._began = time.monotonic()
        self._reason: str | None = None
        self._detail = ""
        self._kill_at: float | None = None
        self._is_held = False

    def run(self, held_by: int | None) -> None:
        kills = processes.kernel_kills()
        if self._readers.descriptor >= 0:
            self._loop.watch(self._readers.descriptor, self._readers.take)
        if held_by is None:
            child, readers = self._start(os.open(f"{self._control}/stdin", os.O_RDONLY))
        else:
            source, end = os.pipe()
            self._is_held = True
            self._loop.watch(held_by, lambda: self._release(held_by, end))
            child, readers = self._start(source)
        self._emit(event="started")
        while (status := processes.bury().get(child)) is None:
            self._loop.turn()
            self._check(child)
        processes.clear()  # what it left behind must not outlive it
        for reader in readers:
            self._drain(reader)
        if status == -signal.SIGKILL and processes.kernel_kills() > kills:
            self._reason = self._reason or "memory"
        self._finish(status)

    def _start(self, source: int) -> tuple[int, tuple[int, ...]]:
        out, out_end = processes.pipe()
        err, err_end = processes.pipe()
        report, report_end = processes.pipe()
        child = processes.spawn(
            self._order["argv"],
            streams=(source, out_end, err_end),
            keep=(report_end,),
            environment={**os.environ, "ML_INTERN_REPORT_FD": str(report_end)},
            directory=self._settings["directory"],
            limits=processes.limits_of(self._settings),
        )
        for descriptor in (source, out_end, err_end, report_end):
            os.close(descriptor)
        self._sinks = {
            out: lambda data: self._output.feed("stdout", data),
            err: lambda data: self._output.feed("stderr", data),
            report: self._reports.feed,
        }
        for descriptor in self._sinks:
            self._loop.watch(descriptor, lambda descriptor=descriptor: self._read(descriptor))
        return child, (out, err, report)

    def _release(self, held_by: int, end: int) -> None:
        """Pass on the input, from when on the time counts; where the host is gone without one, end everything."""
        processes.read(held_by)
        self._loop.forget(held_by)
        try:
            handed = processes.content(f"{self._control}/stdin")
        except FileNotFoundError:  # a host may also die between the input and the byte after it: then it is there
            processes.clear()
            os._exit(0)
        self._is_held, self._began = False, time.monotonic()
        processes.Feeder(self._loop, end, handed)

    def _read(self, descriptor: int) -> bool:
        """Take one chunk; false when nothing is there any more."""
        data = processes.read(descriptor)
        if data:
            self._sinks[descriptor](data)
            return True
        if data is not None:
            del self._sinks[descriptor]
            self._loop.forget(descriptor)
        return False

    def _drain(self, descriptor: int) -> None:
        while descriptor in self._sinks and self._read(descriptor):
            pass

    def _check(self, child: int) -> None:
        """End it where a limit, its time or the host says so."""
        now = time.monotonic()
        if self._kill_at is not None:
            if now >= self._kill_at:
                processes.kill_all()
            return
        if limit := self._watchdog.exceeded():
            self._reason, self._kill_at = limit, now
            processes.kill_all()
        elif not self._is_held and now - self._began > self._order["timeout"]:
            self._interrupt(child, "timeout", "")
        elif os.path.exists(stop := f"{self._control}/stop"):  # noqa: PTH110 - as `content`
            self._interrupt(child, "stopped", processes.content(stop).decode())

    def _interrupt(self, child: int, reason: str, detail: str) -> None:
        self._reason, self._detail = reason, detail
        self._kill_at = time.monotonic() + processes.GRACE
        processes.send(child, signal.SIGINT)

    def _finish(self, status: int) -> None:
        left = self._output.finish()
        self._reports.finish()
        reason = self._reason or (f"signal {-status}" if status < 0 else None)
        if end := left["end"]:
            self._log(f"\n[… {left['lost']} bytes not kept …]\n{end}")
        self._emit(
            event="exit",
            code=None if reason else status,
            reason=reason,
            detail=self._detail,
            dropped=left["dropped"],
            tail=left["tail"],
            observed=self._readers.counted(),
            seconds=time.monotonic() - self._began,
        )

    def _print(self, stream: str, text: str, is_shown: bool) -> None:
        self._log(text)
        if is_shown:
            self._emit(event="output", stream=stream, text=text)

    def _log(self, text: str) -> None:
        _write(2, text.encode())

    def _emit(self, **event: object) -> None:
        _write(self._events, lean.dumps(event).encode() + b"\n")


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it; process 1 goes on even where nobody reads any more."""
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        return


class _Lines:
    """Cut bytes into lines; drops lines that are too long, and all lines once there were too many."""

    def __init__(self, emit: Any) -> None:
        self._emit = emit
        self._pending = bytearray()
        self._is_too_long = False
        self._total = 0

    def feed(self, data: bytes) -> None:
        *complete, rest = data.split(b"\n")
        for piece in complete:
            self._extend(piece)
            self._close()
        self._extend(rest)

    def finish(self) -> None:
        if self._pending:
            self._close()

    def _extend(self, piece: bytes) -> None:
        self._is_too_long = self._is_too_long or len(self._pending) + len(piece) > _LINE
        if not self._is_too_long:
            self._pending += piece

    def _close(self) -> None:
        self._total += len(self._pending)
        if not self._is_too_long and self._total <= _REPORTS:
            self._emit(self._pending.decode("utf-8", "backslashreplace"))
        self._pending.clear()
        self._is_too_long = False
