"""The system call filter gives the right verdict for each call, run here by a small interpreter of its program."""

from __future__ import annotations

import runpy
import struct
from collections.abc import Callable, Sequence
from typing import cast

import pytest

from ml_intern.sandboxes.layout import SCRIPTS

ALLOWED, REFUSED, UNKNOWN, KILLED = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NUMBERS = {
    "x86_64": {
        "read": 0, "socket": 41, "socketpair": 53, "clone": 56, "clone3": 435, "ptrace": 101, "ioctl": 16,
        "personality": 135, "prlimit64": 302, "sched_setaffinity": 203, "setpriority": 141, "ioprio_set": 251,
        "kcmp": 312, "name_to_handle_at": 303, "listmount": 458, "sched_setscheduler": 144, "sched_setattr": 314,
    },
    "aarch64": {
        "read": 63, "socket": 198, "socketpair": 199, "clone": 220, "clone3": 435, "ptrace": 117, "ioctl": 29,
        "personality": 92, "prlimit64": 261, "sched_setaffinity": 122, "setpriority": 140, "ioprio_set": 30,
        "kcmp": 272, "name_to_handle_at": 264, "listmount": 458, "sched_setscheduler": 119, "sched_setattr": 274,
    },
}  # fmt: skip
Build = Callable[[str], bytes]


@pytest.fixture
def build() -> Build:
    return cast("Build", runpy.run_path(str(SCRIPTS / "lockdown.py"))["program"])


def verdict(program: bytes, audit: int, number: int, arguments: Sequence[int] = ()) -> int:
    """Run classic BPF over `struct seccomp_data` (linux/seccomp.h), as far as the filter uses it."""
    padded = [*arguments, *(0,) * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, audit, 0, *padded)
    instructions = list(struct.iter_unpack("HBBI", program))
    at = accumulator = 0
    while True:
        code, jump_true, jump_false, value = map(int, instructions[at])
        match code:
            case 0x20:
                accumulator = struct.unpack_from("<I", data, value)[0]
            case 0x06:
                return value
            case _:
                tests = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}
                at += jump_true if tests[code] else jump_false
        at += 1


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("read", (), ALLOWED),
        ("ptrace", (16, 1), REFUSED),
        ("socket", (1, 1), ALLOWED),
        ("socket", (2, 1), REFUSED),
        ("socket", (10, 2), REFUSED),
        ("socket", (16, 3), REFUSED),
        ("socket", (40, 1), REFUSED),
        ("socketpair", (1, 1), ALLOWED),
        ("clone", (0x11,), ALLOWED),
        ("clone", (0x003D0F00,), ALLOWED),
        ("clone", (0x10000011,), REFUSED),
        ("clone", (0x20000011,), REFUSED),
        ("clone3", (), UNKNOWN),
        ("ioctl", (0, 0x5401), ALLOWED),
        ("ioctl", (0, 0x5412), REFUSED),
        ("ioctl", (0, 0x541C), REFUSED),
        ("ioctl", (0, 0x5423), REFUSED),
        ("kcmp", (5, 1), REFUSED),
        ("name_to_handle_at", (), REFUSED),
        ("listmount", (), REFUSED),
        ("personality", (0,), ALLOWED),
        ("personality", (0xFFFFFFFF,), ALLOWED),
        ("personality", (0x0040000,), REFUSED),
        ("prlimit64", (0, 7), ALLOWED),
        ("prlimit64", (25, 7), ALLOWED),
        ("prlimit64", (1, 7), REFUSED),
        ("sched_setaffinity", (0, 8), ALLOWED),
        ("sched_setaffinity", (1, 8), REFUSED),
        ("sched_setscheduler", (1, 5), REFUSED),
        ("sched_setattr", (1,), REFUSED),
        ("setpriority", (0, 0), ALLOWED),
        ("setpriority", (0, 25), ALLOWED),
        ("setpriority", (0, 1), REFUSED),
        ("setpriority", (1, 1), REFUSED),
        ("setpriority", (2, 10001), REFUSED),
        ("ioprio_set", (1, 0), ALLOWED),
        ("ioprio_set", (1, 1), REFUSED),
        ("ioprio_set", (3, 10001), REFUSED),
    ],
)
def test_each_call_gets_its_verdict(
    build: Build, machine: str, call: str, arguments: tuple[int, ...], expected: int
) -> None:
    assert verdict(build(machine), AUDIT[machine], NUMBERS[machine][call], arguments) == expected


def test_the_numbers_of_another_architecture_kill(build: Build) -> None:
    assert verdict(build("x86_64"), 0x40000003, 11) == KILLED
    assert verdict(build("x86_64"), AUDIT["x86_64"], 0x40000000 | 101) == UNKNOWN


def test_a_processor_without_a_filter_is_refused(build: Build) -> None:
    with pytest.raises(OSError, match="no system call filter for a riscv64 processor"):
        build("riscv64")
