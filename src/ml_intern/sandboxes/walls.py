"""Start one program in a container made of Linux namespaces, without root rights and without a helper program.

`launcher.py` is the script that runs `main`; the plan is the JSON that `namespaces.plan` builds. The program gets a
root file system of read-only binds, no network, no capability and only the descriptors 0 to 2; it is process 1 of its
own process namespace, so that its end is the end of everything in it.

An ordinary user becomes root of a new user namespace first, and loses that again. Root builds the same file system
with its own rights, then becomes an ordinary user for good: files are never reached with the rights of root.
Nothing may run before this did, so it imports little: `json`, `signal` and `contextlib` would take longer than it does.
Needs Linux 5.12 (mount_setattr). Sources: mount_namespaces(7), user_namespaces(7), pivot_root(2).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

TYPE_CHECKING = False  # as in `typing`, whose import would be a tenth of a start
if TYPE_CHECKING:
    from typing import NoReturn, TypedDict
else:
    TypedDict = dict  # which its classes are when the program runs

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_MOUNTS, _NEW_CGROUP, _NEW_UTS, _NEW_IPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
_NEW_USER, _NEW_PIDS, _NEW_NET = 0x10000000, 0x20000000, 0x40000000
_NAMESPACES = _NEW_MOUNTS | _NEW_UTS | _NEW_IPC | _NEW_PIDS | _NEW_NET
_NOSUID, _NODEV, _NOEXEC, _BIND, _RECURSIVE, _PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_V3 = 0x20080522
_PARENT_DEATH_SIGNAL, _DUMPABLE, _DROP_BOUNDING, _NO_NEW_PRIVS = 1, 4, 24, 38
_INTERRUPT, _KILL, _IGNORE = 2, 9, 1
_NEW, _OLD = "/new", "/old"
DEVICES = ("null", "zero", "full", "random", "urandom")
DESCRIPTORS = {
    "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
}  # fmt: skip
HIDDEN = (
    "asound", "buddyinfo", "cmdline", "config.gz", "consoles", "crypto", "diskstats", "dma", "execdomains", "fb",
    "interrupts", "iomem", "ioports", "kallsyms", "kcore", "key-users", "keys", "kmsg", "kpagecgroup", "kpagecount",
    "kpageflags", "latency_stats", "locks", "mdstat", "misc", "mtrr", "pagetypeinfo", "partitions", "sched_debug",
    "schedstat", "slabinfo", "softirqs", "swaps", "sysrq-trigger", "timer_list", "vmallocinfo", "zoneinfo",
)  # fmt: skip
"""Files of /proc that tell of the machine and that neither training nor a driver reads."""
_FROZEN = ("sys", "irq", "bus", "fs", "acpi", "scsi", "driver", "dynamic_debug", "tty")
_ENDANGERED = "500"
"""How readily the kernel takes the inside before the machine's own services; root sets a floor by it."""


class Bind(TypedDict):
    """A path of the host and where the inside sees it."""

    source: str
    target: str
    writable: bool
    device: bool


class Memory(TypedDict):
    """A file system in memory; `size` in bytes, `files` at most, `mode` octal."""

    target: str
    size: int
    files: int
    mode: str


class Plan(TypedDict):
    """Everything the launcher does. `user` is whom root becomes and what the inside calls its user.

    `groups` are control groups that were made for this sandbox: the inside joins them, the launcher removes them.
    """

    user: int
    groups: list[str]
    links: dict[str, str]
    files: dict[str, str]
    memory: list[Memory]
    binds: list[Bind]
    processors: int
    environment: dict[str, str]
    argv: list[str]


def main(plan: Plan) -> int:
    """Start the program of the plan and wait for it; gives its exit status."""
    try:
        return _started(plan)
    except OSError as error:
        sys.stderr.write(f"no container can be made here: {error}\n")
        return 126


def _started(plan: Plan) -> int:
    is_root = os.getuid() == 0
    user, group = os.getuid(), os.getgid()
    _restrict_processors(plan["processors"])
    _endanger()
    groups = [(os.open(os.path.dirname(group), os.O_PATH), os.path.basename(group)) for group in plan["groups"]]
    _check(_LIBC.unshare(_NAMESPACES | (0 if is_root else _NEW_USER)), "new namespaces")
    if not is_root:
        _map_user(plan["user"], user, group)
    alive, held = os.pipe()
    nothing = os.open(os.devnull, os.O_RDWR)  # now: the child's new root will be that of this process as well
    child = os.fork()
    if child == 0:
        os.close(held)
        _inside(plan, is_root, alive)
    os.close(alive)
    return _outlive(child, nothing, groups)


def _endanger() -> None:
    try:
        _write("/proc/self/oom_score_adj", _ENDANGERED)
    except OSError:  # whatever runs us may have put us lower already
        pass


def _write(path: str, content: str) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(content.encode())


def _outlive(child: int, nothing: int, groups: list[tuple[int, str]]) -> int:
    """Wait outside, holding the locks this process inherited; the death of this process ends the inside."""
    _LIBC.signal(_INTERRUPT, ctypes.c_void_p(_IGNORE))
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    for parent, name in groups:  # by descriptors: the inside has taken the file system away
        try:
            os.rmdir(name, dir_fd=parent)
        except OSError:  # a later start removes it
            pass
    return status if status >= 0 else 128 - status


def _join(groups: list[str]) -> None:
    """Enter the control groups, and hide where they are."""
    for group in groups:
        _write(f"{group}/cgroup.procs", "0")
    _check(_LIBC.unshare(_NEW_CGROUP), "own control groups")


def _inside(plan: Plan, is_root: bool, alive: int) -> NoReturn:
    try:
        _join(plan["groups"])
        _build(plan)
        if is_root:
            _become(plan["user"])
        _tie_to_parent(alive)
        _drop_capabilities()
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.execve(plan["argv"][0], plan["argv"], plan["environment"])
    except OSError as error:
        os.write(2, f"the sandbox cannot be set up: {error}\n".encode())
    finally:
        os._exit(126)


# --- file system


def _build(plan: Plan) -> None:
    """Put together the new root below the old one, then leave the old one behind."""
    _check(_LIBC.sethostname(b"sandbox", 7), "host name")
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)
    _mount("tmpfs", "/tmp", "tmpfs", _NOSUID | _NODEV)
    for name in ("new", "old"):
        os.mkdir(f"/tmp/{name}")
    _check(_LIBC.pivot_root(b"/tmp", b"/tmp/old"), "first pivot")
    os.chdir("/")
    _mount("tmpfs", _NEW, "tmpfs", _NOSUID | _NODEV, "mode=755,size=4m")
    for path, target in plan["links"].items():
        os.symlink(target, _NEW + path)
    for path, content in plan["files"].items():
        os.makedirs(os.path.dirname(_NEW + path), exist_ok=True)
        _write(_NEW + path, content)
    for item in plan["memory"]:
        os.makedirs(_NEW + item["target"], exist_ok=True)
        options = f"mode={item['mode']},size={item['size']},nr_inodes={item['files']}"
        _mount("tmpfs", _NEW + item["target"], "tmpfs", _NOSUID | _NODEV, options)
    _make_dev()
    _make_proc()
    for bind in plan["binds"]:
        _bind(bind)
    for path in (_NEW, f"{_NEW}/dev"):  # an ordinary user's inside owns them
        _set_attributes(path, _NOSUID | (0 if path.endswith("dev") else _NODEV) | 1, recursive=False)
    _leave_old_root()


def _make_dev() -> None:
    for name in DEVICES:
        _bind({"source": f"/dev/{name}", "target": f"/dev/{name}", "writable": True, "device": True})
    for name, target in DESCRIPTORS.items():
        os.symlink(target, f"{_NEW}/dev/{name}")


def _make_proc() -> None:
    proc = f"{_NEW}/proc"
    os.mkdir(proc)
    _mount("proc", proc, "proc", _NOSUID | _NODEV | _NOEXEC)
    for path in (f"{proc}/{name}" for name in HIDDEN):
        if os.path.isfile(path):
            _mount(f"{_OLD}/dev/null", path, None, _BIND)
    for path in (f"{proc}/{name}" for name in _FROZEN):
        if os.path.isdir(path):
            _mount(path, path, None, _BIND | _RECURSIVE)
            _set_attributes(path, 1 | _NOSUID | _NODEV | _NOEXEC)


def _bind(bind: Bind) -> None:
    source, target = _OLD + bind["source"], _NEW + bind["target"]
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o666))
    _mount(source, target, None, _BIND | _RECURSIVE)
    _set_attributes(target, _NOSUID | (0 if bind["device"] else _NODEV) | (0 if bind["writable"] else 1))


def _leave_old_root() -> None:
    _check(_LIBC.umount2(_OLD.encode(), 2), "leaving the old root")
    os.chdir(_NEW)
    _check(_LIBC.pivot_root(b".", b"."), "second pivot")
    _check(_LIBC.umount2(b".", 2), "leaving the first root")
    os.chdir("/")


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    encoded = [text.encode() if text is not None else None for text in (source, target, kind, options)]
    result = _LIBC.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _check(result, f"mounting {source or kind} at {target}")


def _set_attributes(path: str, attributes: int, *, recursive: bool = True) -> None:
    """Set MOUNT_ATTR flags (1 is read-only), on everything mounted below as well."""
    structure = struct.pack("QQQQ", attributes, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    result = _LIBC.syscall(_MOUNT_SETATTR, _AT_FDCWD, path.encode(), flags, structure, ctypes.c_size_t(32))
    _check(result, f"protecting {path} (needs Linux 5.12)")


# --- rights


def _map_user(inside: int, user: int, group: int) -> None:
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{inside} {user} 1")
    _write("/proc/self/gid_map", f"{inside} {group} 1")


def _become(user: int) -> None:
    """Give up root, then enter a user namespace of its own, where processes are counted apart from others."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    _prctl(_DUMPABLE, 1)  # else /proc/self belongs to root and the map cannot be written
    try:
        _check(_LIBC.unshare(_NEW_USER), "own user namespace")
        _map_user(user, user, user)
    except OSError:  # forbidden on some systems; then processes of all sandboxes count together
        pass


def _tie_to_parent(alive: int) -> None:
    """Die with the process outside; set after the last change of user, which would clear it."""
    _prctl(_PARENT_DEATH_SIGNAL, _KILL)
    os.set_blocking(alive, False)
    try:
        if os.read(alive, 1) == b"":  # it died before the line above
            os._exit(125)
    except BlockingIOError:
        pass


def _drop_capabilities() -> None:
    with open("/proc/sys/kernel/cap_last_cap", "rb") as file:
        last = int(file.read())
    for capability in range(last + 1):
        _LIBC.prctl(_DROP_BOUNDING, capability, 0, 0, 0)
    header = struct.pack("Ii", _CAPABILITIES_V3, 0)
    _check(_LIBC.syscall(_CAPSET[os.uname().machine], header, b"\0" * 24), "dropping capabilities")
    _prctl(_NO_NEW_PRIVS, 1)


def _restrict_processors(count: int) -> None:
    """Run on at most `count` processors; 0 means all."""
    if count:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def _prctl(option: int, value: int) -> None:
    _check(_LIBC.prctl(option, value, 0, 0, 0), f"prctl {option}")


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
