"""Measure what all processes inside hold: memory that no folder shows, and files that no name leads to.

Sources: proc_pid_status(5), proc_pid_smaps(5), proc_pid_fd(5).
"""

from __future__ import annotations

import os
import stat

from processes import content, others

TYPE_CHECKING = False  # as in `typing`, whose import would be a tenth of a start
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_MEMORY_FOLDERS = ("/tmp", "/dev/shm")


class Nameless:
    """Regular files that are open and have no name: bytes and number on the disks of `roots`, bytes elsewhere.

    Elsewhere is memory: files of memfd_create, and deleted ones of the file systems there, which `kept` has as well.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        disks = {os.stat(root).st_dev for root in roots}  # noqa: PTH116 - as all here, for speed
        counted = {os.stat(folder).st_dev for folder in _MEMORY_FOLDERS}  # noqa: PTH116
        files = {(found.st_dev, found.st_ino): found for pid in others() for found in _open_files(pid)}
        self.memory = self.disk = self.files = 0
        for status in files.values():
            if status.st_nlink == 0 and status.st_dev in disks:
                self.disk += _on_disk(status)
                self.files += 1
            elif status.st_nlink == 0 and status.st_dev not in counted:
                self.memory += _on_disk(status)


def at_most(spared: Collection[int] = ()) -> int:
    """Give an upper bound of the memory in use, in bytes: pages that processes share count for each of them."""
    kept = _kept()
    private = shared = 0
    for pid in set(others()) - set(spared):
        fields = _fields(f"/proc/{pid}/status", ("RssAnon", "RssShmem"))
        private += fields.get("RssAnon", 0)
        shared += fields.get("RssShmem", 0)
    return private + kept + shared


def exactly(spared: Collection[int] = (), nameless: int = 0) -> int:
    """Give the memory in use, in bytes: pages that processes share count once. Slow where much is mapped.

    `nameless` are bytes in files that have none. What is shared may be mapped from there or from a file system in
    memory, so that the larger of both counts.
    """
    private = shared = 0
    for pid in set(others()) - set(spared):
        fields = _fields(f"/proc/{pid}/smaps_rollup", ("Pss_Anon", "Pss_Shmem"))
        if not fields:  # it ended, or hides: then the other file is the best there is
            fields = _fields(f"/proc/{pid}/status", ("RssAnon", "RssShmem"))
        private += fields.get("Pss_Anon", fields.get("RssAnon", 0))
        shared += fields.get("Pss_Shmem", fields.get("RssShmem", 0))
    return private + max(_kept() + nameless, shared)


def machine() -> tuple[int, int]:
    """Give how much memory the whole machine has left, and how much it has, in bytes."""
    fields = _fields("/proc/meminfo", ("MemAvailable", "MemTotal"))
    return fields.get("MemAvailable", 0), fields.get("MemTotal", 0)


def free(roots: Sequence[str]) -> tuple[int, int]:
    """Give the bytes and the number of files that the file systems of `roots` have left."""
    seen: dict[int, tuple[int, int]] = {}
    for root in roots:
        status = os.statvfs(root)
        seen[status.f_fsid] = (status.f_bavail * status.f_frsize, status.f_ffree)
    return sum(size for size, _ in seen.values()), sum(count for _, count in seen.values())


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


def hidden() -> set[int]:
    """List the processes whose open files cannot be seen by a process of the same user, as they asked for."""
    found: set[int] = set()
    for pid in others():
        try:
            os.scandir(f"/proc/{pid}/fd").close()
        except PermissionError:
            found.add(pid)
        except OSError:  # it ended
            continue
    return found


def _kept() -> int:
    """Add up what stays without any process: file systems in memory."""
    total = 0
    for folder in _MEMORY_FOLDERS if os.getpid() == 1 else ():  # without a sandbox they are everybody's
        status = os.statvfs(folder)
        total += (status.f_blocks - status.f_bfree) * status.f_frsize
    return total


def _fields(path: str, names: Sequence[str]) -> dict[str, int]:
    """Read fields that are given in kB, as bytes; none where the process ended or may not be looked into."""
    found: dict[str, int] = {}
    try:
        lines = content(path).splitlines()
    except OSError:
        return found
    for line in lines:
        name, _, value = line.partition(b":")
        if (text := name.decode("ascii", "replace")) in names:
            found[text] = int(value.split()[0]) << 10
    return found


def _open_files(pid: int) -> Iterator[os.stat_result]:
    try:
        entries = list(os.scandir(f"/proc/{pid}/fd"))
    except OSError:
        return
    for entry in entries:
        try:
            status = entry.stat()
        except OSError:  # closed meanwhile
            continue
        if stat.S_ISREG(status.st_mode):
            yield status


def _on_disk(status: os.stat_result) -> int:
    return status.st_blocks * 512


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return _on_disk(entry.stat(follow_symlinks=False))
    except OSError:
        return 0
