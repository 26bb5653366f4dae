"""Count how often files are opened and read, as the kernel tells it (inotify), whichever process inside does it."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Sequence

_LIBC = ctypes.CDLL(None, use_errno=True)
_ACCESS, _OPEN = 0x1, 0x20
_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_EVENT = struct.Struct("iIII")
_CHUNK = 1 << 16


class Readers:
    """Watches `paths`; one that does not exist, or a kernel without inotify, is counted as None."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._descriptor = _LIBC.inotify_init1(_NONBLOCK | _CLOEXEC) if paths else -1
        self._counts: dict[int, list[int]] = {}
        self._names: dict[str, int] = {}
        for path in paths if self._descriptor >= 0 else ():
            watch = _LIBC.inotify_add_watch(self._descriptor, path.encode(), _ACCESS | _OPEN)
            if watch >= 0:
                self._names[path] = watch
                self._counts[watch] = [0, 0]
        self._paths = tuple(paths)

    @property
    def descriptor(self) -> int:
        """What becomes readable when something happened; -1 where nothing is watched."""
        return self._descriptor

    def take(self) -> bool:
        """Take what has happened so far; false when there is nothing."""
        try:
            data = os.read(self._descriptor, _CHUNK)
        except OSError:
            return False
        place = 0
        while place < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, place)
            place += _EVENT.size + length
            if counts := self._counts.get(watch):
                counts[0] += bool(mask & _OPEN)
                counts[1] += bool(mask & _ACCESS)
        return bool(data)

    def counted(self) -> dict[str, list[int] | None]:
        """Give `[opened, read]` of each path; the kernel folds reads that follow each other at once into one."""
        while self._descriptor >= 0 and self.take():
            pass
        return {path: self._counts.get(self._names.get(path, -1)) for path in self._paths}
