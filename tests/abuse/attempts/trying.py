"""Try one abuse and say what came of it; runs inside a sandbox, or outside of any to see that it can succeed.

An attempt is a function without arguments. What it gives is what it could do, an `OSError` is the wall that it met, and
nothing at all means that there was nothing to get. Each is harmless where it succeeds: it reads, asks, or takes a
bounded amount, acts on folders and processes that were made for it, and undoes what it did.

Usage: `python -m abuse.attempts.trying MODULE NAME [MODULE NAME ...]`, with the paths that they may act on as JSON in
`ABUSE`; gives a line for each, made in a process of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import platform
import sys
from collections.abc import Callable
from functools import partial
from typing import TypedDict, cast

Attempt = Callable[[], "str | None"]

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
_COLUMN = {"x86_64": 0, "aarch64": 1}
# arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h
_NUMBERS = {
    "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280), "chroot": (161, 51),
    "clock_settime": (227, 112), "clone": (56, 220), "clone3": (435, 435), "delete_module": (176, 106),
    "fanotify_init": (300, 262), "finit_module": (313, 273), "fsopen": (430, 430), "init_module": (175, 105),
    "io_uring_setup": (425, 425), "kcmp": (312, 272), "kexec_load": (246, 104), "keyctl": (250, 219),
    "listmount": (458, 458), "memfd_create": (319, 279), "memfd_secret": (447, 447), "mount": (165, 40),
    "mount_setattr": (442, 442), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "open_tree": (428, 428), "perf_event_open": (298, 241), "personality": (135, 92), "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434), "pivot_root": (155, 41), "prctl": (157, 167), "prlimit64": (302, 261),
    "process_vm_readv": (310, 270), "ptrace": (101, 117), "quotactl": (179, 60), "reboot": (169, 142),
    "request_key": (249, 218), "sched_setaffinity": (203, 122), "setdomainname": (171, 162),
    "sethostname": (170, 161), "setns": (308, 268), "setpriority": (141, 140), "shmat": (30, 196),
    "shmctl": (31, 195), "shmget": (29, 194), "swapon": (167, 224), "syslog": (103, 116), "umount2": (166, 39),
    "unshare": (272, 97), "userfaultfd": (323, 282), "vhangup": (153, 58),
}  # fmt: skip


class Around(TypedDict):
    """What the attempts may act on: paths as the code sees them, and limits in bytes and numbers.

    `secret`, `socket`, `abstract` and `port` are a file, a Unix socket, its abstract name and a TCP port of the host;
    `host_process` is a process there whose command line contains `marker`, its environment too. `victim` stands where
    the supervisor stands inside. `program` and `row` are files that were mounted read-only, `workspace` is writable;
    `labels` is a labelled data set among the libraries. `settle` are seconds in which somebody who measures must have
    noticed what is taken.
    """

    secret: str
    socket: str
    abstract: str
    port: int
    host_process: int
    victim: int
    marker: str
    program: str
    row: str
    labels: str
    workspace: str
    memory: int
    disk: int
    files: int
    processes: int
    settle: float


def around() -> Around:
    """Read what the attempts may act on."""
    return cast("Around", json.loads(os.environ["ABUSE"]))


def syscall(name: str, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Call the kernel.

    Raises:
        OSError: it refused.
    """
    number = _NUMBERS[name][_COLUMN[platform.machine()]]
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result = int(_LIBC.syscall(ctypes.c_long(number), *wide))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def in_child(do: Attempt) -> str | None:
    """Try `do` in a process of its own, whose end undoes it.

    Raises:
        OSError: it met a wall there, or the kernel ended the process.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.write(writing, _outcome(do).encode()[:4000])
        os._exit(0)
    os.close(writing)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.set_blocking(reading, False)  # what the attempt started and left may hold the other end, so no end of file comes
    said = ""
    with contextlib.suppress(BlockingIOError):
        said = os.read(reading, 4000).decode()
    os.close(reading)
    if status < 0 or said.startswith("held"):
        raise OSError(said or f"ended by signal {-status}")
    return said.removeprefix("could: ")


def attempt(module: str, name: str) -> str:
    """Give `could: …`, `held: …`, or `broken: …` where the attempt itself is wrong.

    Raises:
        PermissionError: root runs it, which could do harm where there is no sandbox.
    """
    if os.getuid() == 0:
        raise PermissionError("these attempts are not for root")
    return _outcome(getattr(importlib.import_module(f"abuse.attempts.{module}"), name))


def _outcome(do: Attempt) -> str:
    try:
        found = do()
    except (OSError, MemoryError) as error:
        return f"held: {type(error).__name__}: {error}"
    except Exception as error:  # noqa: BLE001 - a broken attempt must not look like a wall
        return f"broken: {type(error).__name__}: {error}"
    return f"could: {found}" if found else "held: nothing there"


def main(*words: str) -> None:
    """Make attempts one after another."""
    for module, name in zip(words[::2], words[1::2], strict=True):
        importlib.import_module(f"abuse.attempts.{module}")
        try:
            said = in_child(partial(attempt, module, name)) or ""
        except OSError as error:
            said = f"held: {error}"
        sys.stdout.write(f"{' '.join(said.split())}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
