"""Measure memory and disk of everything inside, where no control group does it, and say which limit is passed."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from processes import TICK, others

_PAGE = os.sysconf("SC_PAGE_SIZE")
_FILES = 200_000
_MEMORY_FOLDERS = ("/tmp", "/dev/shm")


class Watchdog:
    """Limits in bytes; `roots` are the writable folders on the host's disk."""

    def __init__(self, *, memory: int, disk: int, roots: Sequence[str]) -> None:
        self._memory = memory
        self._disk = disk
        self._roots = roots
        self._next_look = 0.0
        self._next_walk = 0.0
        self._free = _free(roots)

    def exceeded(self) -> str | None:
        """Name the limit that is passed: `memory`, `disk`, or None; looks at most every 0.2 s."""
        if time.monotonic() < self._next_look:
            return None
        self._next_look = time.monotonic() + TICK
        if used_memory() > self._memory:
            return "memory"
        if self._roots and self._is_walk_due() and self._disk_is_full():
            return "disk"
        return None

    def _is_walk_due(self) -> bool:
        """Walk at once when the file systems lost an eighth of the limit, else every ten seconds."""
        lost = self._free - _free(self._roots)
        return time.monotonic() >= self._next_walk or lost > self._disk // 8

    def _disk_is_full(self) -> bool:
        began = time.monotonic()
        total = files = 0
        for root in self._roots:
            size, count = tree(root, _FILES - files)
            total, files = total + size, files + count
        took = time.monotonic() - began
        self._next_walk = time.monotonic() + max(10.0, 20 * took)
        self._free = _free(self._roots)
        return total > self._disk or files >= _FILES


def _free(roots: Sequence[str]) -> int:
    seen: dict[int, int] = {}
    for root in roots:
        status = os.statvfs(root)
        seen[status.f_fsid] = status.f_bavail * status.f_frsize
    return sum(seen.values())


def used_memory() -> int:
    """Add up private memory of all processes and what lies in file systems in memory, in bytes."""
    total = 0
    for pid in others():
        try:
            _, resident, shared = Path(f"/proc/{pid}/statm").read_text("ascii").split()[:3]
        except OSError:  # it ended while we looked
            continue
        total += (int(resident) - int(shared)) * _PAGE
    for folder in _MEMORY_FOLDERS:
        status = os.statvfs(folder)
        total += (status.f_blocks - status.f_bfree) * status.f_frsize
    return total


def tree(root: str, most: int) -> tuple[int, int]:
    """Measure bytes on disk and number of entries under `root`, giving up after `most` entries."""
    size = count = 0
    stack = [root]
    while stack and count < most:
        try:
            entries = list(os.scandir(stack.pop()))
        except OSError:  # removed or forbidden meanwhile
            continue
        for entry in entries:
            count += 1
            size += _size(entry)
            if entry.is_dir(follow_symlinks=False):
                stack.append(entry.path)
    return size, count


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * 512
    except OSError:
        return 0
