"""Start, signal and bury the processes inside; the loop of process 1 that waits for them."""

from __future__ import annotations

import _signal as signal  # `signal` makes enumerations of it, which takes longer than all else here
import fcntl
import math
import os
import select
import time

import lockdown

TYPE_CHECKING = False  # as in `typing`, whose import would be a tenth of a start
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any, NoReturn

GRACE = 3.0
"""Seconds between an interrupt and the kill."""
TICK = 0.2
"""Seconds between two looks at limits and requests."""
_CHUNK = 1 << 16
_MEMORY_EVENTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
"""Where control groups of version 2 and 1 count the processes that the kernel killed for memory."""


class Loop:
    """Waits for descriptors and ended children; single-threaded."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._readers: dict[int, Callable[[], object]] = {}
        self._writers: dict[int, Callable[[], object]] = {}
        self._held: set[int] = set()
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.watch(self._wake, self._drain_wake)

    def watch(self, descriptor: int, ready: Callable[[], object]) -> None:
        """Call `ready` whenever `descriptor` can be read or is closed at its other end."""
        self._readers[descriptor] = ready
        self._poll.register(descriptor, select.POLLIN)

    def forget(self, descriptor: int) -> None:
        """Stop watching and close `descriptor`."""
        if self._readers.pop(descriptor, None):
            if descriptor not in self._held:
                self._poll.unregister(descriptor)
            self._held.discard(descriptor)
            os.close(descriptor)

    def unwatch(self, descriptor: int) -> None:
        """Stop watching `descriptor`, which somebody else closes."""
        if self._readers.pop(descriptor, None):
            self._poll.unregister(descriptor)

    def hold(self, descriptor: int) -> None:
        """Let what comes from `descriptor` wait where it is, until `release`."""
        if descriptor in self._readers and descriptor not in self._held:
            self._held.add(descriptor)
            self._poll.unregister(descriptor)

    def release(self) -> None:
        """Read again from everything that was held."""
        for descriptor in self._held:
            self._poll.register(descriptor, select.POLLIN)
        self._held.clear()

    def watches(self, descriptor: int) -> bool:
        """Tell whether `descriptor` is still read from."""
        return descriptor in self._readers

    def watch_writing(self, descriptor: int, ready: Callable[[], object]) -> None:
        """Call `ready` whenever `descriptor` takes more."""
        self._writers[descriptor] = ready
        self._poll.register(descriptor, select.POLLOUT)

    def forget_writing(self, descriptor: int) -> None:
        """Stop waiting for `descriptor` to take more."""
        if self._writers.pop(descriptor, None):
            self._poll.unregister(descriptor)

    def turn(self, seconds: float = TICK) -> None:
        """Wait at most this long and serve what is ready."""
        for descriptor, _ in self._poll.poll(max(0, math.ceil(min(seconds, TICK) * 1000))):
            if ready := self._readers.get(descriptor) or self._writers.get(descriptor):
                ready()

    def _drain_wake(self) -> None:
        read(self._wake)


class Feeder:
    """Writes `content` to a pipe as its reader takes it, and closes the pipe then or where nobody reads any more."""

    def __init__(self, loop: Loop, descriptor: int, content: bytes) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._left = memoryview(content)
        os.set_blocking(descriptor, False)
        loop.watch_writing(descriptor, self._write)

    def _write(self) -> None:
        try:
            self._left = self._left[os.write(self._descriptor, self._left[:_CHUNK]) :] if self._left else self._left
        except BlockingIOError:
            return
        except OSError:
            self._left = self._left[:0]
        if not self._left:
            self._loop.forget_writing(self._descriptor)
            os.close(self._descriptor)


def read(descriptor: int) -> bytes | None:
    """Read one chunk without waiting; None where nothing is there yet, empty at the end."""
    try:
        return os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def pipe() -> tuple[int, int]:
    """Make a pipe whose reading end never blocks and holds up to 1 MiB."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 20)
    except OSError:  # an unprivileged user may have used up the quota of pipe pages
        pass
    return reading, writing


def limits_of(settings: Mapping[str, Any]) -> dict[str, int]:
    """Give the arguments of `lockdown.limit` that the supervisor's settings ask for."""
    return {
        "file_size": settings["disk"],
        "processes": settings["processes"] if settings["limit_processes"] else 0,
    }


def spawn(
    argv: Sequence[str],
    *,
    streams: tuple[int, int, int],
    keep: Sequence[int],
    environment: Mapping[str, str],
    directory: str,
    limits: Mapping[str, int],
    oom: int = 1000,
) -> int:
    """Start `argv` in a session of its own; give its process id.

    Args:
        argv: the program, looked up in the environment's PATH, and its arguments.
        streams: descriptors for input, output and errors.
        keep: further descriptors that it inherits under the same numbers.
        environment: its whole environment.
        directory: its working directory.
        limits: arguments of `lockdown.limit`.
        oom: the higher, the sooner the kernel takes it when memory runs out; at most 1000.
    """
    child = os.fork()
    if child == 0:
        _become(argv, streams, keep, environment, directory, limits, oom)
    return child


def _become(
    argv: Sequence[str],
    streams: tuple[int, int, int],
    keep: Sequence[int],
    environment: Mapping[str, str],
    directory: str,
    limits: Mapping[str, int],
    oom: int,
) -> NoReturn:
    try:
        for target, descriptor in enumerate(streams):
            os.dup2(descriptor, target)
        for descriptor in keep:
            os.set_inheritable(descriptor, True)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        lockdown.set_dumpable(True)  # else /proc/self belongs to root and the next line fails
        try:
            put("/proc/self/oom_score_adj", str(oom))
        except OSError:  # then the kernel may take process 1 first
            pass
        lockdown.limit(**limits)
        os.chdir(directory)
        os.execvpe(argv[0], list(argv), dict(environment))
    except OSError as error:
        os.write(2, f"{argv[0]} cannot be started: {error}\n".encode())
    finally:
        os._exit(127)


def content(path: str) -> bytes:
    """Read a small file of the system; `pathlib` would cost each start of a sandbox milliseconds."""
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def put(path: str, text: str) -> None:
    """Write a file of the system at once."""
    with open(path, "wb", buffering=0) as file:  # noqa: PTH123
        file.write(text.encode())


def others() -> list[int]:
    """List every process of this namespace but this one; where this is not process 1, its descendants."""
    own = os.getpid()
    if own != 1:
        return _descendants(own)
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != own]  # noqa: PTH208 - faster


def _descendants(own: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - faster
        if name.isdigit():
            children.setdefault(_parent(int(name)), []).append(int(name))
    found, generation = [], children.get(own, [])
    while generation:
        found += generation
        generation = [child for pid in generation for child in children.get(pid, [])]
    return found


def _parent(pid: int) -> int:
    """Give the parent's process id; 0 where the process is gone (proc(5), field 4)."""
    try:
        return int(content(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def started_since(seconds: float) -> list[int]:
    """List the processes that began after `seconds` on the clock since boot, to a hundredth of a second."""
    first = int(seconds * os.sysconf("SC_CLK_TCK"))
    return [pid for pid in others() if _started(pid) >= first]


def _started(pid: int) -> int:
    """Give when a process began, in clock ticks since boot; 0 where that is not known (proc(5), field 22)."""
    try:
        return int(content(f"/proc/{pid}/stat").rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def threads(pid: int) -> int:
    """Count the threads of a process; 0 where it is gone."""
    try:
        return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    except OSError:
        return 0


def kill_all(spared: Collection[int] = ()) -> None:
    """Kill every process of this namespace but this one and `spared`."""
    if not spared:
        _signal_all(signal.SIGKILL)
    else:
        kill_these(lambda: [pid for pid in others() if pid not in spared])


def kill_these(chosen: Callable[[], list[int]]) -> list[int]:
    """Kill those that `chosen` lists while everything stands still, so that none can fork meanwhile."""
    _signal_all(signal.SIGSTOP)
    doomed = chosen()
    for pid in doomed:
        send(pid, signal.SIGKILL)
    _signal_all(signal.SIGCONT)
    return doomed


def _signal_all(number: int) -> None:
    if os.getpid() == 1:
        send(-1, number)
        return
    # the same number outside process 1 would reach everybody's processes
    told: set[int] = set()
    while new := set(others()) - told:
        for pid in new:
            send(pid, number)
        told |= new


def clear(spared: Collection[int] = ()) -> None:
    """Kill every other process but `spared` and wait until they are gone, so that their places are free again."""
    deadline = time.monotonic() + GRACE
    while set(others()) - set(spared) and time.monotonic() < deadline:
        kill_all(spared)
        bury()
        time.sleep(0.005)


def send(pid: int, number: int) -> None:
    """Signal one process, if it is still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def bury() -> dict[int, int]:
    """Collect ended children: process id to exit status (negative: the signal)."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def kernel_kills(paths: Sequence[str] = _MEMORY_EVENTS) -> int:
    """Count processes that the kernel killed for memory in this control group; 0 where it does not say."""
    for path in paths:
        try:
            fields = dict(line.split() for line in content(path).decode("ascii").splitlines())
        except (OSError, ValueError):
            continue
        return int(fields.get("oom_kill", 0))
    return 0
