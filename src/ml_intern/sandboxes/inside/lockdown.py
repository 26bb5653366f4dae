"""Give up rights that no training code needs: system calls, core dumps, unbounded files and processes.

Runs inside, in process 1, whatever the backend: the filter stacks on the one an engine installs.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_SET_DUMPABLE, _SET_SECCOMP, _SET_CHILD_SUBREAPER, _NO_NEW_PRIVS, _FILTER_MODE = 4, 22, 36, 38, 2

# System V's memory (shmget) and its kin would outlive the processes that a limit ends.
# Numbers from the kernel's arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
_REFUSED = {
    "x86_64": {
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "mount": 165, "umount2": 166,
        "pivot_root": 155, "chroot": 161, "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170,
        "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175, "delete_module": 176,
        "finit_module": 313, "quotactl": 179, "acct": 163, "add_key": 248, "request_key": 249, "keyctl": 250,
        "unshare": 272, "setns": 308, "perf_event_open": 298, "bpf": 321, "userfaultfd": 323, "kexec_load": 246,
        "kexec_file_load": 320, "open_by_handle_at": 304, "io_uring_setup": 425, "io_uring_enter": 426,
        "io_uring_register": 427, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431,
        "fsmount": 432, "fspick": 433, "pidfd_getfd": 438, "mount_setattr": 442, "settimeofday": 164,
        "clock_settime": 227, "adjtimex": 159, "clock_adjtime": 305, "syslog": 103, "modify_ldt": 154,
        "fanotify_init": 300, "name_to_handle_at": 303, "kcmp": 312, "quotactl_fd": 443, "memfd_secret": 447,
        "statmount": 457, "listmount": 458, "open_tree_attr": 467, "listns": 470, "lookup_dcookie": 212, "uselib": 134,
        "vhangup": 153, "shmget": 29, "msgget": 68, "semget": 64,
    },
    "aarch64": {
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "mount": 40, "umount2": 39,
        "pivot_root": 41, "chroot": 51, "swapon": 224, "swapoff": 225, "reboot": 142, "sethostname": 161,
        "setdomainname": 162, "init_module": 105, "delete_module": 106, "finit_module": 273, "quotactl": 60,
        "acct": 89, "add_key": 217, "request_key": 218, "keyctl": 219, "unshare": 97, "setns": 268,
        "perf_event_open": 241, "bpf": 280, "userfaultfd": 282, "kexec_load": 104, "kexec_file_load": 294,
        "open_by_handle_at": 265, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
        "pidfd_getfd": 438, "mount_setattr": 442, "settimeofday": 170, "clock_settime": 112, "adjtimex": 171,
        "clock_adjtime": 266, "syslog": 116, "fanotify_init": 262, "name_to_handle_at": 264, "kcmp": 272,
        "quotactl_fd": 443, "memfd_secret": 447, "statmount": 457, "listmount": 458, "open_tree_attr": 467,
        "listns": 470, "lookup_dcookie": 18, "vhangup": 58, "shmget": 194, "msgget": 186, "semget": 190,
    },
}  # fmt: skip
_KNOWN = {
    "x86_64": {
        "audit": 0xC000003E, "socket": 41, "socketpair": 53, "clone": 56, "ioctl": 16, "personality": 135,
        "prlimit64": 302, "sched_setaffinity": 203, "sched_setscheduler": 144, "sched_setparam": 142,
        "sched_setattr": 314, "setpriority": 141, "ioprio_set": 251,
    },
    "aarch64": {
        "audit": 0xC00000B7, "socket": 198, "socketpair": 199, "clone": 220, "ioctl": 29, "personality": 92,
        "prlimit64": 261, "sched_setaffinity": 122, "sched_setscheduler": 119, "sched_setparam": 118,
        "sched_setattr": 274, "setpriority": 140, "ioprio_set": 30,
    },
}  # fmt: skip
_OF_A_PROCESS = ("prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr")
"""Calls that change another process of the same user, as process 1 is, though it cannot be looked into."""
_CLONE3 = 435
_AF_UNIX, _TIOCSTI, _TIOCLINUX, _TIOCSETD = 1, 0x5412, 0x541C, 0x5423
_PRIO_USER, _IOPRIO_USER, _QUERY_PERSONALITY = 2, 3, 0xFFFFFFFF
_NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000

_LOAD, _EQUAL, _GREATER_OR_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _EPERM, _ENOSYS, _KILL = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38, 0x80000000
_NUMBER, _AUDIT, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24
_Instruction = tuple[int, int, int, int]


def confine() -> None:
    """Install the filter for good and hide this process's memory and descriptors from its children.

    Raises:
        OSError: the kernel or the processor is not supported.
    """
    _call("no_new_privs", _NO_NEW_PRIVS, 1)
    install(program(os.uname().machine))
    set_dumpable(False)


def program(machine: str) -> bytes:
    """Assemble the BPF program for `machine`: refuse a list, allow Unix sockets only, no new namespaces.

    Raises:
        OSError: the processor is unknown.
    """
    if machine not in _KNOWN:
        raise OSError(f"no system call filter for a {machine} processor")
    known = _KNOWN[machine]
    code: list[_Instruction] = [
        (_LOAD, 0, 0, _AUDIT),
        (_EQUAL, 1, 0, known["audit"]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":  # the x32 numbers are a second door to the same calls
        code += [(_GREATER_OR_EQUAL, 0, 1, 0x40000000), (_RETURN, 0, 0, _ENOSYS)]
    for number in _REFUSED[machine].values():
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _EPERM)]
    # glibc falls back from clone3 to clone, whose flags a filter can read
    code += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ENOSYS)]
    for call, test in _tests().items():
        code += _when(known[call], test, _EPERM)
    code += [(_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def _tests() -> dict[str, list[_Instruction]]:
    """Give, for calls that some arguments only make dangerous, a test that is fallen through where they are refused."""
    unix_only: list[_Instruction] = [(_LOAD, 0, 0, _ARGUMENT_0), (_EQUAL, 1, 0, _AF_UNIX)]
    supervisor: list[_Instruction] = [(_LOAD, 0, 0, _ARGUMENT_0), (_EQUAL, 0, 1, 1)]
    return {
        "clone": [(_LOAD, 0, 0, _ARGUMENT_0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES)],
        "socket": unix_only,
        "socketpair": unix_only,
        # the terminal's input, the console, and line disciplines, which load modules of the kernel
        "ioctl": [
            (_LOAD, 0, 0, _ARGUMENT_1),
            (_EQUAL, 2, 0, _TIOCSTI),
            (_EQUAL, 1, 0, _TIOCLINUX),
            (_EQUAL, 0, 1, _TIOCSETD),
        ],
        "personality": [(_LOAD, 0, 0, _ARGUMENT_0), (_EQUAL, 2, 0, 0), (_EQUAL, 1, 0, _QUERY_PERSONALITY)],
        **dict.fromkeys(_OF_A_PROCESS, supervisor),
        "setpriority": _everything_from(_PRIO_USER),
        "ioprio_set": _everything_from(_IOPRIO_USER),
    }


def _everything_from(user: int) -> list[_Instruction]:
    """Fall through where the first argument means all processes of a user, or the second is 1, a process or group."""
    return [
        (_LOAD, 0, 0, _ARGUMENT_0),
        (_GREATER_OR_EQUAL, 2, 0, user),
        (_LOAD, 0, 0, _ARGUMENT_1),
        (_EQUAL, 0, 1, 1),
    ]


def _when(number: int, test: list[_Instruction], verdict: int) -> list[_Instruction]:
    """For the call `number` only: fall through `test` into `verdict`, or be allowed."""
    body = [*test, (_RETURN, 0, 0, verdict), (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(body), number), *body]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def install(code: bytes) -> None:
    """Load a BPF program into the kernel; it holds for every later child.

    Raises:
        OSError: the kernel refused it.
    """
    buffer = ctypes.create_string_buffer(code, len(code))
    header = _Program(len(code) // 8, ctypes.addressof(buffer))
    _call("seccomp", _SET_SECCOMP, _FILTER_MODE, ctypes.byref(header))


def set_dumpable(dumpable: bool) -> None:
    """Allow or forbid same-user processes to look into this one; exec allows it again."""
    _call("dumpable", _SET_DUMPABLE, int(dumpable))


def adopt_orphans() -> None:
    """Become the parent of what descendants leave behind, as process 1 is by itself."""
    _call("adopting orphans", _SET_CHILD_SUBREAPER, 1)


def limit(*, file_size: int, processes: int) -> None:
    """Bound one process tree: `file_size` in bytes, `processes` with threads (0 leaves that to the engine)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_NOFILE, 4096)
    _lower(resource.RLIMIT_FSIZE, file_size)
    if processes:
        _lower(resource.RLIMIT_NPROC, processes)


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _call(what: str, option: int, *arguments: object) -> None:
    padded = [*arguments, *(0,) * (4 - len(arguments))]
    if _LIBC.prctl(option, *padded) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
