"""Reach files that were not given, or change those that were given to be read."""

from __future__ import annotations

import ctypes
import os
import resource
import stat
import sys
import sysconfig
from pathlib import Path

from abuse.attempts.trying import around, syscall

_RIGHTS_BY_FILE = stat.S_ISUID | stat.S_ISGID


def read_a_file_of_the_host() -> str:
    return Path(around()["secret"]).read_text("utf-8")


def list_a_folder_of_the_host() -> str:
    return str(os.listdir(Path(around()["secret"]).parent))  # noqa: PTH208


def list_the_homes_of_people() -> str | None:
    """Find anything but the ways to the interpreter and to its packages, which may lie in a home."""
    homes = ("/root", "/home", *({os.environ["HOME"]} - {"/tmp"}))
    found = [Path(home, entry) for home in homes for entry in _listed(home)]
    known = (Path(sys.prefix), Path(sys.base_prefix))
    return next((str(path) for path in found if not any(way.is_relative_to(path) for way in known)), None)


def read_a_file_through_the_root_of_another_process() -> str:
    return Path(f"/proc/{around()['victim']}/root{around()['secret']}").read_text("utf-8")


def read_a_file_through_the_working_directory_of_another_process() -> str:
    return str(os.listdir(f"/proc/{around()['victim']}/cwd"))  # noqa: PTH208


def read_a_file_through_a_link_in_the_workspace() -> str:
    link = Path(around()["workspace"], "link")
    link.symlink_to(around()["secret"])
    try:
        return link.read_text("utf-8")
    finally:
        link.unlink()


def read_a_file_through_dots() -> str:
    return Path(f"/tmp/../../../../..{around()['secret']}").read_text("utf-8")


def write_into_a_mounted_program() -> str:
    with Path(around()["program"]).open("r+b"):
        return "opened to write"


def make_a_mounted_program_writable() -> str:
    path = Path(around()["program"])
    mode = path.stat().st_mode
    path.chmod(mode)
    return "changed its mode"


def put_a_file_beside_a_mounted_program() -> str:
    file = Path(around()["program"]).with_name("sitecustomize.py")
    with file.open("x"):
        file.unlink()
    return "made a file"


def rename_a_mounted_file() -> str:
    row = Path(around()["row"])
    other = row.with_name("other")
    row.rename(other)
    other.rename(row)
    return "renamed"


def link_a_mounted_file_into_the_workspace() -> str:
    link = Path(around()["workspace"], "row")
    link.hardlink_to(around()["row"])
    link.unlink()
    return "linked"


def change_the_times_of_a_mounted_file() -> str:
    status = Path(around()["row"]).stat()
    os.utime(around()["row"], ns=(status.st_atime_ns, status.st_mtime_ns))
    return "changed"


def read_labels_that_a_library_carries() -> str:
    return Path(sysconfig.get_path("purelib"), around()["labels"]).read_text("utf-8")[:40]


def name_a_file_by_a_handle() -> str:
    handle = ctypes.create_string_buffer(bytes([128, 0, 0, 0]) + bytes(132))
    syscall("name_to_handle_at", -100, around()["row"].encode(), handle, bytes(4), 0)
    return "got a handle, which another call opens without a path"


def open_a_file_by_a_handle() -> str:
    handle = ctypes.create_string_buffer(bytes([8, 0, 0, 0, 1, 0, 0, 0]) + bytes(8))
    return str(syscall("open_by_handle_at", -100, handle, os.O_RDONLY))


def make_a_device() -> str:
    node = Path(around()["workspace"], "device")
    os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    node.unlink()
    return "made a device"


def open_a_device_of_the_machine() -> str | None:
    harmless = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "stdin", "stdout", "stderr"}
    found = [entry for entry in os.scandir("/dev") if entry.name not in harmless and _is_device(entry)]
    return ", ".join(entry.name for entry in found if os.access(entry.path, os.R_OK)) or None


def open_the_memory_of_the_kernel() -> str | None:
    return _openable("/proc/kcore", "/dev/mem", "/dev/kmem", "/proc/kmsg", "/dev/kmsg", "/dev/port", mode=os.R_OK)


def change_settings_of_the_kernel() -> str | None:
    names = ("core_pattern", "modprobe", "hostname", "randomize_va_space", "panic", "ns_last_pid")
    return _openable(*(f"/proc/sys/kernel/{name}" for name in names), "/proc/sysrq-trigger", mode=os.W_OK)


def change_a_control_group() -> str | None:
    found = [
        os.path.join(folder, name)  # noqa: PTH118
        for folder, folders, files in os.walk("/sys/fs/cgroup")
        for name in (*folders, *files)
        if folder.count("/") < 6
    ]
    return next((path for path in found if os.access(path, os.W_OK) and _opens(path)), None)


def run_a_program_that_gives_rights() -> str | None:
    """Find a program with the set-user bit where the file system lets it work."""
    for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/lib/openssh", "/usr/libexec"):
        for name in _listed(folder):
            path = Path(folder, name)
            if path.is_file() and path.stat().st_mode & _RIGHTS_BY_FILE and not os.statvfs(path).f_flag & os.ST_NOSUID:
                return str(path)
    return None


def write_into_the_system() -> str | None:
    """Find any folder that can be written and is not known to be writable."""
    known = ("/proc", "/tmp", "/dev/shm", "/dev/mqueue", around()["workspace"])
    folders = (*(f"/{name}" for name in _listed("/")), "/usr/bin", "/usr/lib", "/etc", "/var/tmp", "/var/log", "/run")
    return next((path for path in folders if path not in known and os.access(path, os.W_OK) and _is_folder(path)), None)


def write_a_core_dump() -> str | None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard in {0, 1}:
        return None
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    return f"{hard} bytes"


def read_what_a_parent_left_open() -> str | None:
    """Find a descriptor that leads out: a file that no mount shows, or a socket."""
    known = ("pipe:", "/dev/null", "/tmp/", "/usr/", "/opt/", "anon_inode:", around()["workspace"])
    links = {name: _link(f"/proc/self/fd/{name}") for name in _listed("/proc/self/fd")}
    found = [link for link in links.values() if link and not link.startswith((*known, f"/proc/{os.getpid()}/"))]
    return str(found) if found else None


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:
        return ""


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []


def _is_folder(path: str) -> bool:
    return Path(path).is_dir()


def _is_device(entry: os.DirEntry[str]) -> bool:
    mode = entry.stat(follow_symlinks=False).st_mode
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def _openable(*paths: str, mode: int) -> str | None:
    found = [path for path in paths if Path(path).exists() and not _is_null(path) and os.access(path, mode)]
    return ", ".join(found) or None


def _is_null(path: str) -> bool:
    """Whether /dev/null is mounted there."""
    status = Path(path).stat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 3)


def _opens(path: str) -> bool:
    """Whether it is a folder, or a file that opens to be written."""
    try:
        if not Path(path).is_dir():
            os.close(os.open(path, os.O_WRONLY))
    except OSError:
        return False
    return True
