"""Fork workers out of a process that has imported torch: a fresh one is there in milliseconds.

Loaded into the nursery under a private name. The nursery runs no code of the user and holds no pipe of the
supervisor's but the channel on which it is asked for workers.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

_SET_DUMPABLE = 4
_PIPES = 5


def hide() -> None:
    """Keep the code, which runs as the same user, out of this process; its interrupts as well."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _set_dumpable(False)


def serve(channel: int) -> tuple[int, int, int]:
    """Fork a worker for each request; returns in the worker, with its descriptors for commands, results, reports.

    A request carries the descriptors of a worker's output, errors, commands, results and reports; the answer is the
    worker's process id. The worker becomes a child of process 1, which learns how it ended.
    """
    own = socket.socket(fileno=channel)
    own.send(b"warm")
    while True:
        request, pipes, _, _ = socket.recv_fds(own, 16, _PIPES)
        if not request:
            os._exit(0)
        middle = os.fork()
        if middle == 0:
            worker = os.fork()
            if worker != 0:  # its end gives the worker to process 1
                own.send(str(worker).encode())
                os._exit(0)
            own.close()
            return _leave(pipes)
        for pipe in pipes:
            os.close(pipe)
        os.waitpid(middle, 0)


def _leave(pipes: list[int]) -> tuple[int, int, int]:
    """Become like a process that was started anew."""
    output, errors, commands, results, reports = pipes
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.close(output)
    os.close(errors)
    os.set_inheritable(reports, True)
    os.setsid()
    _set_dumpable(True)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    random = sys.modules.get("numpy.random")
    if random is not None:  # else every worker would draw the same numbers
        random.seed()
    return commands, results, reports


def _set_dumpable(dumpable: bool) -> None:
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, int(dumpable), 0, 0, 0)
