"""Get workers: at once by starting Python, or in milliseconds out of a nursery that has imported torch.

The nursery is a process of its own, not process 1: nothing but our own code and the standard library runs where the
results of the user's code are judged.
"""

from __future__ import annotations

import _signal as signal  # `signal` makes enumerations of it, which takes longer than all else here
import os
import select
import sys
import time

import processes

TYPE_CHECKING = False  # as in `typing`, whose import would be a tenth of a start
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Any

_WORKER = os.path.join(os.path.dirname(__file__), "worker.py")  # noqa: PTH118, PTH120 - pathlib costs milliseconds
_PATIENCE = 5.0
"""Seconds that a nursery has to fork."""
_ATTEMPTS = 3
"""Nurseries that may be lost before the session goes on without."""


class Worker:
    """The process that runs user code, and this end of its pipes.

    `has_run`: whether it may hold variables. `is_warm`: whether torch is, or soon will be, imported.
    """

    def __init__(
        self, pid: int, *, commands: int, results: int, streams: dict[int, str], reports: int, is_warm: bool
    ) -> None:
        self.pid = pid
        self.commands = commands
        self.results = results
        self.streams = streams
        self.reports = reports
        self.is_warm = is_warm
        self.has_run = False
        self.kernel_kills = processes.kernel_kills()


class Hiring:
    """Starts workers and keeps the nursery; `warm` is called when that is ready, or lost for good."""

    def __init__(self, settings: dict[str, Any], loop: processes.Loop, warm: Callable[[], None]) -> None:
        self._settings = settings
        self._loop = loop
        self._tell = warm
        self._modules: list[str] = settings["preload"]
        self._attempts = 0
        self._pid: int | None = None
        self._channel: socket.socket | None = None
        self.is_warm = False

    @property
    def spared(self) -> set[int]:
        """The process that outlives the code's."""
        return set() if self._pid is None else {self._pid}

    @property
    def can_warm(self) -> bool:
        """Whether a nursery is there or can be started."""
        return self._pid is not None or (bool(self._modules) and self._attempts < _ATTEMPTS)

    @property
    def is_warming(self) -> bool:
        """Whether a warm worker can be had soon."""
        return self._pid is not None and not self.is_warm

    def warm_up(self) -> None:
        """Start the nursery, unless it is there or was lost too often."""
        if self._pid is not None or not self._modules or self._attempts >= _ATTEMPTS:
            return
        import socket  # noqa: PLC0415 - no start has to wait for it

        self._attempts += 1
        own, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        nothing = os.open(os.devnull, os.O_RDWR)
        self._pid = self._spawn(
            ["nursery", str(its.fileno()), ",".join(self._modules)],
            streams=(nothing, nothing, nothing),
            keep=(its.fileno(),),
            oom=500,
        )
        os.close(nothing)
        its.close()
        own.setblocking(False)
        self._channel = own
        self._loop.watch(own.fileno(), self._hear)

    def hire(self) -> Worker:
        """Give a fresh worker, a warm one if there is a nursery."""
        commands, command_end = processes.pipe()
        os.set_blocking(commands, True)
        os.set_blocking(command_end, False)
        ends = [processes.pipe() for _ in range(4)]
        (out, out_end), (err, err_end), (results, result_end), (reports, report_end) = ends
        given = (out_end, err_end, commands, result_end, report_end)
        pid = self._fork(given) if self.is_warm else None
        is_warm = pid is not None
        if pid is None:
            pid = self._start(*given)
        for descriptor in given:
            os.close(descriptor)
        return Worker(
            pid,
            commands=command_end,
            results=results,
            streams={out: "stdout", err: "stderr"},
            reports=reports,
            is_warm=is_warm,
        )

    def note_ends(self, ended: dict[int, int]) -> None:
        """Learn which processes ended: a lost nursery is replaced."""
        if self._pid in ended:
            self._lose()
            self.warm_up()
            if not self.is_warming:
                self._tell()

    def _hear(self) -> None:
        """Learn that the nursery is ready; at its end nothing more comes."""
        if self._channel is None:
            return
        try:
            is_warm = self._channel.recv(16) == b"warm"
        except OSError:
            is_warm = False
        if is_warm:
            self.is_warm = True
            self._tell()
            return
        if self._pid is not None:
            processes.send(self._pid, signal.SIGKILL)
        self._drop_channel()

    def _lose(self) -> None:
        self._pid, self.is_warm = None, False
        self._drop_channel()

    def _drop_channel(self) -> None:
        if self._channel is not None:
            self._loop.unwatch(self._channel.fileno())
            self._channel.close()
            self._channel = None

    def _fork(self, given: tuple[int, ...]) -> int | None:
        """Ask the nursery for a worker; None where it does not answer, which ends it."""
        import socket  # noqa: PLC0415 - `warm_up` has

        assert self._channel is not None and self._pid is not None  # noqa: PT018
        processes.send(self._pid, signal.SIGCONT)  # the code may have stopped it
        deadline = time.monotonic() + _PATIENCE
        try:
            socket.send_fds(self._channel, [b"hire"], given)
            if select.select([self._channel], [], [], max(0.0, deadline - time.monotonic()))[0]:
                answer = self._channel.recv(16)
                if answer.isdigit():
                    return int(answer)
        except OSError:
            pass
        processes.kill_all()  # with it a worker that it may have forked too late: two would share the pipes
        self.is_warm = False
        return None

    def _start(self, output: int, errors: int, commands: int, results: int, reports: int) -> int:
        nothing = os.open(os.devnull, os.O_RDONLY)
        pid = self._spawn(
            [str(commands), str(results), str(reports)],
            streams=(nothing, output, errors),
            keep=(commands, results, reports),
        )
        os.close(nothing)
        return pid

    def _spawn(
        self, arguments: list[str], *, streams: tuple[int, int, int], keep: tuple[int, ...], oom: int = 1000
    ) -> int:
        environment = dict(os.environ)
        if paths := environment.pop("PYTHONPATH", ""):
            environment["_ML_INTERN_PYTHONPATH"] = paths
        return processes.spawn(
            [sys.executable, _WORKER, *arguments],
            streams=streams,
            keep=keep,
            environment=environment,
            directory=self._settings["directory"],
            limits=processes.limits_of(self._settings),
            oom=oom,
        )
