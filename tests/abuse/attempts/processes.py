"""Look into, stop or slow other processes: those of the host, and the supervisor."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import time
from pathlib import Path

from abuse.attempts.trying import around, in_child, syscall

_SEIZE, _DETACH = 0x4206, 17
_PATIENCE = 0.2
"""Seconds in which a signal that is delivered shows."""


def see_a_process_of_the_host() -> str | None:
    lines = [_command_line(name) for name in os.listdir("/proc") if name.isdigit() and name != str(os.getpid())]  # noqa: PTH208
    return next((line for line in lines if around()["marker"] in line), None)


def signal_a_process_of_the_host() -> str:
    """Only ask whether it could be signalled."""
    if around()["marker"] not in _command_line(str(around()["host_process"])):
        raise ProcessLookupError("it is not there")
    os.kill(around()["host_process"], 0)
    return "could"


def read_tokens_from_the_environment_of_another_process() -> str | None:
    found: list[str] = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            try:
                found.append(Path(f"/proc/{name}/environ").read_bytes().decode("utf-8", "replace"))
            except OSError:
                continue
    return next((text for text in found if "TOKEN" in text), None)


def read_tokens_from_its_own_environment() -> str | None:
    text = Path("/proc/self/environ").read_bytes().decode("utf-8", "replace")
    words = ("TOKEN", "SECRET", "PASSWORD", "API_KEY", "CREDENTIAL")
    return next((entry for entry in text.split("\0") if any(word in entry.partition("=")[0] for word in words)), None)


def read_the_environment_of_the_supervisor() -> str:
    return Path(f"/proc/{around()['victim']}/environ").read_bytes().decode("utf-8", "replace") or "empty"


def read_the_memory_of_the_supervisor() -> str:
    with Path(f"/proc/{around()['victim']}/mem").open("rb"):
        return "opened"


def read_the_map_of_the_supervisor() -> str | None:
    return Path(f"/proc/{around()['victim']}/maps").read_text("utf-8")[:80] or None


def read_the_stack_of_the_supervisor() -> str | None:
    return Path(f"/proc/{around()['victim']}/auxv").read_bytes().hex()[:40] or None


def open_the_channel_of_the_supervisor() -> str:
    with Path(f"/proc/{around()['victim']}/fd/1").open("ab"):
        return "opened"


def list_the_descriptors_of_the_supervisor() -> str:
    return str(os.listdir(f"/proc/{around()['victim']}/fd"))  # noqa: PTH208


def take_a_descriptor_of_the_supervisor() -> str:
    return f"descriptor {syscall('pidfd_getfd', syscall('pidfd_open', around()['victim'], 0), 0, 0)}"


def trace_the_supervisor() -> str:
    syscall("ptrace", _SEIZE, around()["victim"], 0, 0)
    try:
        return "attached"
    finally:
        _detach(around()["victim"])


def read_memory_of_the_supervisor_by_a_call() -> str:
    """Read one byte where its program is mapped; without a map, where a program usually lies."""
    place = _first_place(around()["victim"])
    buffer = ctypes.create_string_buffer(1)
    own = struct.pack("QQ", ctypes.addressof(buffer), 1)
    syscall("process_vm_readv", around()["victim"], own, 1, struct.pack("QQ", place, 1), 1, 0)
    return buffer.raw.hex()


def stop_the_supervisor() -> str | None:
    os.kill(around()["victim"], signal.SIGSTOP)
    deadline = time.monotonic() + _PATIENCE
    try:
        while time.monotonic() < deadline:
            if _state(around()["victim"]) == "T":
                return "stopped"
            time.sleep(0.01)
    finally:
        os.kill(around()["victim"], signal.SIGCONT)
    return None


def lower_the_limits_of_the_supervisor() -> str:
    """Set the limit of open files to what it is."""
    old = ctypes.create_string_buffer(16)
    syscall("prlimit64", around()["victim"], int(resource.RLIMIT_NOFILE), None, old)
    syscall("prlimit64", around()["victim"], int(resource.RLIMIT_NOFILE), bytes(old.raw), None)
    return "set"


def move_the_supervisor_to_one_processor() -> str:
    """Set the processors to what they are."""
    os.sched_setaffinity(around()["victim"], os.sched_getaffinity(around()["victim"]))
    return "set"


def slow_the_supervisor_down() -> str:
    """Set its priority to what it is."""
    os.setpriority(os.PRIO_PROCESS, around()["victim"], os.getpriority(os.PRIO_PROCESS, around()["victim"]))
    return "set"


def slow_all_processes_of_the_user_down() -> str:
    os.setpriority(os.PRIO_USER, os.getuid(), os.getpriority(os.PRIO_USER, os.getuid()))
    return "set"


def raise_its_own_limits() -> str | None:
    got: list[str] = []
    for name, kind, most in (("size", resource.RLIMIT_FSIZE, 1 << 50), ("files", resource.RLIMIT_NOFILE, 1 << 15)):
        soft, hard = resource.getrlimit(kind)
        try:
            resource.setrlimit(kind, (most, most if hard != resource.RLIM_INFINITY else hard))
            got.append(name)
            resource.setrlimit(kind, (soft, hard))
        except (OSError, ValueError):
            continue
    return ", ".join(got) or None


def hide_its_open_files() -> str | None:
    """Keep everybody, so the one who measures as well, from seeing what a child holds."""

    def hide() -> str:
        syscall("prctl", 4, 0, 0, 0, 0)
        time.sleep(2 * around()["settle"])
        return "stayed hidden"

    return in_child(hide)


def become_another_user() -> str:
    """Become whom it is already as well, so that nothing changes where it may."""
    os.setgroups(os.getgroups())
    return "set its groups"


def _command_line(name: str) -> str:
    try:
        return Path(f"/proc/{name}/cmdline").read_bytes().decode("utf-8", "replace").replace("\0", " ")
    except OSError:
        return ""


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]


def _detach(pid: int) -> None:
    """Let go of a process; it must stand still for that, and runs on after it."""
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, 0x40000000)
    syscall("ptrace", _DETACH, pid, 0, 0)
    os.kill(pid, signal.SIGCONT)


def _first_place(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/maps").read_text("utf-8").partition("-")[0], 16)
    except (OSError, ValueError):
        return 0x400000
