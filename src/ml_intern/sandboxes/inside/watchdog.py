"""Keep limits of memory, disk and files where no control group or quota does, and say which one is passed."""

from __future__ import annotations

import _signal as signal  # `signal` makes enumerations of it, which takes longer than all else here
import time

import consumption
from processes import TICK, send

TYPE_CHECKING = False  # as in `typing`, whose import would be a tenth of a start
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

_RESERVE = 512 << 20
"""Bytes of memory or disk that the machine itself must keep."""
_PATIENCE = 15
"""Looks in a row at which a process may hide: a child is hidden while it is started, on a busy machine for a while."""
_REMEMBERED = 5
"""Looks."""
_COUNTING, _SEARCHING, _WALKING = 10, 50, 20
"""How many times longer than each costly look the pause after it is."""
_SOON, _SELDOM = 1.0, 2.0
"""Seconds between two exact counts at most, and between two walks at least when nothing hints at much."""
_CLEANING = 60.0
"""Seconds that code has to remove files after a limit of disk was passed, as long as it adds none."""
_ALL = 10
"""How many times the limit of files is counted to know what is there."""


class Watchdog:
    """Looks at most every 0.2 s. `settings` are those of the supervisor; `writable` folders are on the host's disk."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._memory: int = settings["memory"]
        self._disk: int = settings["disk"]
        self._files: int = settings["files"]
        self._roots: list[str] = settings["writable"]
        self._next_look = self._next_walk = self._next_count = self._next_search = 0.0
        self._hidden: dict[int, int] = {}
        self._used: list[int] = []
        self._nameless = 0
        self._clean_until = 0.0
        self._left = (0, 0)
        self._free = self._free_at_start = consumption.free(self._roots)
        self._available_at_start, _ = consumption.machine()

    def exceeded(self, spared: Collection[int] = ()) -> str | None:
        """Name the limit that is passed: `memory`, `disk`, or None. What the processes `spared` hold does not count."""
        now = time.monotonic()
        if now < self._next_look:
            return None
        self._next_look = now + TICK
        self._end_hidden(spared)
        if self._memory_is_full(spared):
            return "memory"
        if self._roots and self._is_walk_due() and self._disk_is_full():
            return "disk"
        return None

    def count_left(self) -> None:
        """Let what runs next keep no more than is there now, where a limit of disk was passed a moment ago.

        To be called when all are dead, as they went on while they were counted, and before each execution.
        """
        if time.monotonic() < self._clean_until:
            self._left = self._on_disk(_ALL * self._files)

    def pressing(self) -> int:
        """Give the most bytes of memory in use of late where that was close to a limit; else 0."""
        used = max(self._used, default=0)  # the last look may have seen a process that was just giving up its memory
        available, total = consumption.machine()
        return used if used > self._memory // 2 or available < total // 16 else 0

    def _end_hidden(self, spared: Collection[int]) -> None:
        """End what keeps its open files and its memory from being measured."""
        self._hidden = {pid: self._hidden.get(pid, 0) + 1 for pid in consumption.hidden() - set(spared)}
        for pid, looks in self._hidden.items():
            if looks >= _PATIENCE:
                send(pid, signal.SIGKILL)

    def _memory_is_full(self, spared: Collection[int]) -> bool:
        used = consumption.at_most(spared) + self._in_nameless_files()
        self._used = [*self._used[1 - _REMEMBERED :], used]
        available, _ = consumption.machine()
        if _is_plundered(self._available_at_start, available, self._memory):
            return True
        began = time.monotonic()
        if used <= self._memory or began < self._next_count:
            return False
        self._next_search = 0.0  # who held such files at the last search may be dead
        used = self._used[-1] = consumption.exactly(spared, self._in_nameless_files())
        self._next_count = min(_after(began, _COUNTING), time.monotonic() + _SOON)
        return used > self._memory

    def _in_nameless_files(self) -> int:
        """Give the bytes of memory in files without a name; searched for as often as that is cheap."""
        began = time.monotonic()
        if began >= self._next_search:
            self._nameless = consumption.Nameless(self._roots).memory
            self._next_search = _after(began, _SEARCHING)
        return self._nameless

    def _is_walk_due(self) -> bool:
        """Walk at once when the file systems lost an eighth of a limit, else as often as that is cheap.

        What others remove from the same file systems at the same time hides what is lost.
        """
        size, count = consumption.free(self._roots)
        self._free = max(self._free[0], size), max(self._free[1], count)
        lost_size, lost_count = self._free[0] - size, self._free[1] - count
        return time.monotonic() >= self._next_walk or lost_size > self._disk // 8 or lost_count > self._files // 8

    def _disk_is_full(self) -> bool:
        began = time.monotonic()
        is_cleaning = began < self._clean_until
        disk = max(self._disk, self._left[0]) if is_cleaning else self._disk
        files = max(self._files, self._left[1]) if is_cleaning else self._files
        self._free = consumption.free(self._roots)  # before the walk: what is written meanwhile must count as lost
        size, count = self._on_disk(files + 1)
        is_full = size > disk or count > files or _is_plundered(self._free_at_start[0], self._free[0], self._disk)
        if is_full:
            self._clean_until = time.monotonic() + _CLEANING
        self._next_walk = max(_after(began, _WALKING), time.monotonic() + _SELDOM)
        return is_full

    def _on_disk(self, most: int) -> tuple[int, int]:
        """Measure bytes and number of files, giving up after `most`."""
        nameless = consumption.Nameless(self._roots)
        size, count = nameless.disk, nameless.files
        for root in self._roots:
            more, files = consumption.tree(root, most - count)
            size, count = size + more, count + files
        return size, count


def _after(began: float, times: int) -> float:
    """Give when a look that began at `began` and ended now may be repeated (monotonic seconds)."""
    now = time.monotonic()
    return now + times * (now - began)


def _is_plundered(before: int, now: int, limit: int) -> bool:
    """Tell whether the machine lost more than `limit` since the start and has next to nothing left.

    The last resort against what cannot be measured: descriptors on their way through a socket, memory that is shared
    and mapped nowhere, the kernel's own.
    """
    return now < _RESERVE and before - now > limit
