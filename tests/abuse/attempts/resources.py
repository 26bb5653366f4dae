"""Take more of the machine than the limits allow; every amount is bounded a little above its limit."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
import socket
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from abuse.attempts.trying import around, syscall

_MORE = 50
"""Processes, threads and the like above the limit."""
_BLOCK = 16 << 20


def start_too_many_processes() -> str | None:
    children: list[int] = []
    try:
        for _ in range(around()["processes"] + _MORE):
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
    finally:
        _end(children)
    return f"{len(children)} processes"


def start_processes_that_start_processes() -> str | None:
    """A bomb that starts its next as soon as one is there, up to a number that it cannot pass."""
    children: list[int] = []
    reading, writing = os.pipe()
    try:
        for _ in range(around()["processes"] + _MORE):
            child = os.fork()
            if child == 0:
                grandchild = os.fork()
                if grandchild == 0:
                    os.write(writing, b"x")
                    signal.pause()
                os.waitpid(grandchild, 0)
                os._exit(0)
            children.append(child)
        return f"{2 * len(children)} processes"
    finally:
        for child in children:
            for grandchild in _children(child):
                os.kill(grandchild, signal.SIGKILL)
        _end(children)
        os.close(reading)
        os.close(writing)


def start_too_many_threads() -> str | None:
    go_on = threading.Event()
    threads = [threading.Thread(target=go_on.wait, daemon=True) for _ in range(around()["processes"] + _MORE)]
    try:
        for thread in threads:
            thread.start()
    except RuntimeError as error:
        raise OSError(str(error)) from error
    finally:
        go_on.set()
    return f"{len(threads)} threads"


def leave_too_many_dead_processes() -> str | None:
    children: list[int] = []
    try:
        for _ in range(around()["processes"] + _MORE):
            child = os.fork()
            if child == 0:
                os._exit(0)
            children.append(child)
    finally:
        for child in children:
            os.waitpid(child, 0)
    return f"{len(children)} dead processes"


def open_too_many_files() -> str | None:
    """The usual limit for training is some thousands; more is a way to use up the kernel's own."""
    most = 5000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as stack:
        for _ in range(most):
            stack.enter_context(open(os.devnull, "rb"))  # noqa: PTH123 - half the time
    return f"{most} files"


def take_too_much_memory() -> str:
    blocks = [bytearray(b"x") * _BLOCK for _ in range(_count(around()["memory"]))]
    time.sleep(around()["settle"])
    return f"{len(blocks) * _BLOCK >> 20} MiB"


def take_too_much_memory_that_is_shared() -> str:
    """Shared pages are nobody's own; one that adds up private ones sees nothing."""
    blocks = [mmap.mmap(-1, _BLOCK) for _ in range(_count(around()["memory"]))]
    for block in blocks:
        block.write(b"x" * _BLOCK)
    time.sleep(around()["settle"])
    return f"{len(blocks) * _BLOCK >> 20} MiB"


def take_too_much_memory_in_files_without_a_name() -> str:
    """Write to such files, which no process maps; many, since each alone is bounded."""
    made: list[int] = []
    try:
        for _ in range(_count(around()["memory"])):
            made.append(syscall("memfd_create", b"abuse", 0))
            os.write(made[-1], b"x" * _BLOCK)
        time.sleep(around()["settle"])
    finally:
        for descriptor in made:
            os.close(descriptor)
    return f"{len(made) * _BLOCK >> 20} MiB"


def take_too_much_memory_in_segments() -> str:
    """System V segments stay when their maker ends."""
    made: list[int] = []
    try:
        for _ in range(_count(around()["memory"])):
            made.append(syscall("shmget", 0, _BLOCK, 0o600 | 0o1000))
            place = syscall("shmat", made[-1], 0, 0)
            ctypes.memset(place, 1, _BLOCK)
        time.sleep(around()["settle"])
    finally:
        for number in made:
            syscall("shmctl", number, 0, None)
    return f"{len(made) * _BLOCK >> 20} MiB"


def take_too_much_memory_in_several_processes() -> str:
    children: list[int] = []
    reading, writing = os.pipe()
    try:
        for _ in range(8):
            child = os.fork()
            if child == 0:
                block = bytearray(b"x") * (around()["memory"] // 6)
                os.write(writing, b"x")
                signal.pause()
                del block
            children.append(child)
        os.close(writing)
        for _ in children:
            os.read(reading, 1)
        time.sleep(around()["settle"])
    finally:
        os.close(reading)
        _end(children)
    return f"{8 * around()['memory'] // 6 >> 20} MiB"


def fill_the_temporary_folder() -> str:
    return _filled("/tmp", around()["memory"])


def fill_the_shared_memory() -> str:
    return _filled("/dev/shm", around()["memory"])


def fill_the_disk() -> str:
    return _filled(around()["workspace"], around()["disk"])


def fill_the_disk_with_files_that_were_deleted() -> str:
    """No folder shows them as long as somebody holds them open; many, since each alone is bounded."""
    with ExitStack() as stack:
        for _ in range(_count(around()["disk"])):
            file = stack.enter_context(tempfile.TemporaryFile(dir=around()["workspace"]))
            file.write(b"x" * _BLOCK)
            file.flush()
            os.fsync(file.fileno())
        time.sleep(around()["settle"])
    return f"{_count(around()['disk']) * _BLOCK >> 20} MiB"


def make_a_file_that_is_too_big() -> str:
    """Most of it is a hole, which takes nothing here, but whoever copies it as it looks."""
    with tempfile.TemporaryFile(dir=around()["workspace"]) as file:
        file.truncate(around()["disk"] + _BLOCK)
        return f"{file.seek(0, os.SEEK_END) >> 20} MiB"


def make_too_many_files() -> str:
    return _named(around()["workspace"], around()["files"] * 5 // 4)


def make_too_many_files_in_memory() -> str:
    return _named("/dev/shm", around()["files"] * 5 // 4)


def keep_too_much_in_sockets() -> str:
    pairs: list[tuple[socket.socket, socket.socket]] = []
    held = 0
    try:
        while held < around()["memory"] + (128 << 20):
            pairs.append(socket.socketpair())
            pairs[-1][0].setblocking(False)
            held += pairs[-1][0].send(b"x" * (1 << 20))
        time.sleep(around()["settle"])
    finally:
        for pair in pairs:
            pair[0].close()
            pair[1].close()
    return f"{held >> 20} MiB"


def _count(limit: int) -> int:
    return (limit * 5 // 4) // _BLOCK + 1


def _filled(folder: str, limit: int) -> str:
    """Write more than `limit` below `folder`."""
    written = 0
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as place:
        for number in range(_count(limit)):
            with Path(place, str(number)).open("wb") as file:
                written += file.write(b"x" * _BLOCK)
                file.flush()
                os.fsync(file.fileno())
        time.sleep(around()["settle"])
    return f"{written >> 20} MiB"


def _named(folder: str, count: int) -> str:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for number in range(count):
            os.close(os.open(f"{place}/{number}", os.O_CREAT | os.O_WRONLY))
        time.sleep(around()["settle"])
    return f"{count} files"


def _children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def _end(children: list[int]) -> None:
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
