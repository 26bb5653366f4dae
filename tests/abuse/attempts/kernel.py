"""Ask the kernel for what no training needs: each call is a way in for somebody who knows a fault of it."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import platform
import struct
import time
from pathlib import Path

from abuse.attempts.trying import around, in_child, syscall

_NEW_MOUNTS, _NEW_UTS, _NEW_USER, _NEW_PIDS = 0x00020000, 0x04000000, 0x10000000, 0x20000000
_CHILD_ENDS = 17


def become_root_of_a_namespace() -> str | None:
    def enter() -> str:
        syscall("unshare", _NEW_USER)
        return Path("/proc/self/status").read_text("ascii").partition("CapEff:")[2].split()[0]

    return in_child(enter)


def become_root_of_a_namespace_by_clone() -> str:
    child = syscall("clone", _NEW_USER | _CHILD_ENDS, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "started a child there"


def become_root_of_a_namespace_by_clone3() -> str:
    child = syscall("clone3", struct.pack("8Q", _NEW_USER, 0, 0, 0, _CHILD_ENDS, 0, 0, 0), 64)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "started a child there"


def mount_a_file_system() -> str | None:
    def mount() -> str:
        _enter(_NEW_MOUNTS)
        syscall("mount", b"tmpfs", around()["workspace"].encode(), b"tmpfs", 0, None)
        return "mounted over the workspace, for itself only"

    return in_child(mount)


def mount_by_the_new_calls() -> str | None:
    def mount() -> str:
        _enter(_NEW_MOUNTS)
        return f"descriptor {syscall('fsopen', b'tmpfs', 0)}"

    return in_child(mount)


def make_a_mount_writable() -> str | None:
    def remount() -> str:
        _enter(_NEW_MOUNTS)
        folder = around()["workspace"].encode()
        syscall("mount", folder, folder, None, 4096, None)
        syscall("mount_setattr", -100, folder, 0, struct.pack("4Q", 0, 1, 0, 0), 32)
        return "changed a mount"

    return in_child(remount)


def take_a_mount_away() -> str | None:
    def unmount() -> str:
        _enter(_NEW_MOUNTS)
        folder = around()["workspace"].encode()
        syscall("mount", b"tmpfs", folder, b"tmpfs", 0, None)
        syscall("umount2", folder, 2)
        return "mounted and unmounted, for itself only"

    return in_child(unmount)


def copy_a_mount() -> str:
    return f"descriptor {syscall('open_tree', -100, b'/', 0)}"


def list_the_mounts_by_number() -> str:
    request = struct.pack("IIQQQ", 24, 0, 0xFFFFFFFFFFFFFFFF, 0, 0)[:24]
    return f"{syscall('listmount', request, ctypes.create_string_buffer(8 * 64), 64, 0)} mounts"


def change_the_root() -> str | None:
    def change() -> str:
        _enter(_NEW_MOUNTS)
        folder = around()["workspace"].encode()
        syscall("mount", b"tmpfs", folder, b"tmpfs", 0, None)
        os.chdir(folder)
        syscall("pivot_root", b".", b".")
        return "has another root"

    return in_child(change)


def leave_the_root_by_chroot() -> str | None:
    def change() -> str:
        _enter(_NEW_MOUNTS)
        syscall("chroot", around()["workspace"].encode())
        return "has another root"

    return in_child(change)


def enter_namespaces_of_another_process() -> str | None:
    def enter() -> str:
        with Path(f"/proc/{around()['victim']}/ns/user").open("rb") as user:
            fcntl.fcntl(user, fcntl.F_GETFD)
            return f"opened the namespace, {_setns(user.fileno())}"

    return in_child(enter)


def rename_the_machine() -> str | None:
    def rename() -> str:
        _enter(_NEW_UTS)
        syscall("sethostname", b"changed", 7)
        return os.uname().nodename

    return in_child(rename)


def rename_the_domain() -> str | None:
    def rename() -> str:
        _enter(_NEW_UTS)
        syscall("setdomainname", b"changed", 7)
        return "changed"

    return in_child(rename)


def set_the_clock() -> str:
    now = time.time()
    syscall("clock_settime", 0, struct.pack("qq", int(now), int(now % 1 * 1e9)))
    return "set"


def ask_for_the_discipline_of_the_clock() -> str:
    return f"state {syscall('adjtimex', ctypes.create_string_buffer(256))}"


def keep_a_key() -> str:
    return f"key {syscall('add_key', b'user', b'abuse', b'x', 1, -1)}"


def read_the_keyring_of_the_session() -> str:
    return f"keyring {syscall('keyctl', 0, -3, 0)}"


def ask_for_a_key_of_another() -> str:
    """A key that was just added to this thread's keyring is found; with a wall, nothing is even looked for."""
    syscall("add_key", b"user", b"abuse-asked", b"x", 1, -1)
    return f"key {syscall('request_key', b'user', b'abuse-asked', None, 0)}"


def load_a_program_into_the_kernel() -> str:
    """Make a map of one element, the smallest thing that this call can do."""
    return f"descriptor {syscall('bpf', 0, struct.pack('IIIIII', 2, 4, 4, 1, 0, 0) + bytes(48), 72)}"


def open_a_ring_of_requests() -> str:
    descriptor = syscall("io_uring_setup", 1, ctypes.create_string_buffer(120))
    os.close(descriptor)
    return f"descriptor {descriptor}"


def count_events_of_the_processor() -> str:
    attributes = bytearray(128)
    struct.pack_into("IIQ", attributes, 0, 1, 128, 1)  # a software event: time on the processor
    struct.pack_into("Q", attributes, 40, 1 << 5 | 1 << 6)  # without kernel and hypervisor
    return f"descriptor {syscall('perf_event_open', bytes(attributes), 0, -1, -1, 0)}"


def handle_faults_of_memory() -> str:
    descriptor = syscall("userfaultfd", 1 | os.O_CLOEXEC)
    os.close(descriptor)
    return f"descriptor {descriptor}"


def watch_all_files() -> str:
    descriptor = syscall("fanotify_init", 0x200, os.O_RDONLY)
    os.close(descriptor)
    return f"descriptor {descriptor}"


def hide_memory_from_everybody() -> str:
    descriptor = syscall("memfd_secret", 0)
    os.close(descriptor)
    return f"descriptor {descriptor}"


def switch_off_the_layout_of_memory() -> str | None:
    def switch() -> str:
        syscall("personality", 0x0040000)
        return "switched off"

    return in_child(switch)


def compare_the_insides_of_processes() -> str:
    return f"order {syscall('kcmp', os.getpid(), around()['victim'], 1, 0, 0)}"


def read_the_log_of_the_kernel() -> str:
    return f"{syscall('syslog', 10, None, 0)} bytes"


def load_a_module() -> str:
    """No module has no bytes: even root gets an error."""
    return str(syscall("init_module", ctypes.create_string_buffer(1), 0, b""))


def load_a_module_from_a_file() -> str:
    with Path(os.devnull).open("rb") as file:
        return str(syscall("finit_module", file.fileno(), b"", 0))


def load_another_kernel() -> str:
    return str(syscall("kexec_load", 0, 0, None, 0))


def restart_the_machine() -> str:
    """With wrong magic numbers nothing happens, whoever asks."""
    return str(syscall("reboot", 0, 0, 0, None))


def swap_to_a_file() -> str:
    return str(syscall("swapon", b"/nonexistent", 0))


def keep_accounts_of_processes() -> str:
    return str(syscall("acct", b"/nonexistent"))


def read_the_quota_of_a_disk() -> str:
    return str(syscall("quotactl", 0x80000100, None, 0, ctypes.create_string_buffer(64)))


def call_the_kernel_as_32_bit_code() -> str | None:
    """Run `int 0x80`, which has numbers of its own: a filter that knows one table only is gone round."""
    if platform.machine() != "x86_64":
        return None

    def call() -> str:
        code = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"  # mov eax, 20 (getpid); int 0x80; ret
        memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        memory.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        return f"process {ctypes.CFUNCTYPE(ctypes.c_int)(address)()}"

    return in_child(call)


def call_the_kernel_by_the_x32_numbers() -> str | None:
    libc = ctypes.CDLL(None, use_errno=True)
    found = int(libc.syscall(ctypes.c_long(0x40000000 | 39)))  # getpid
    return f"process {found}" if found > 0 else None


def type_into_a_terminal() -> str | None:
    """Put a letter into the input of a terminal of its own."""

    def push() -> str:
        os.setsid()
        outer, inner = os.openpty()
        fcntl.ioctl(inner, 0x540E, 0)  # make it the controlling one
        fcntl.ioctl(inner, 0x5412, b"x")
        return f"typed into {outer}"

    return in_child(push)


def load_a_line_discipline() -> str:
    """Set the usual one (0) on a terminal of its own; other numbers load modules of the kernel."""
    outer, inner = os.openpty()
    try:
        fcntl.ioctl(inner, 0x5423, struct.pack("i", 0))
    finally:
        os.close(outer)
        os.close(inner)
    return "set"


def _enter(namespaces: int) -> None:
    """Become root of a user namespace, where the kernel allows what follows; go on without where it does not."""
    try:
        syscall("unshare", _NEW_USER | namespaces)
    except OSError:
        return


def _setns(descriptor: int) -> str:
    try:
        return f"entered {syscall('setns', descriptor, 0)}"
    except OSError as error:
        return str(error)
