"""Learn about the machine what was not meant to be told; what is left of it is listed in `docs/sandbox.md`."""

from __future__ import annotations

import os
from pathlib import Path


def the_version_of_the_kernel() -> str | None:
    return os.uname().release


def the_name_of_the_machine() -> str | None:
    return os.uname().nodename if os.uname().nodename != "sandbox" else None


def its_processors() -> str | None:
    return _text("/proc/cpuinfo")


def its_memory_and_how_much_of_it_is_free() -> str | None:
    return _text("/proc/meminfo")


def its_load_and_how_long_it_runs() -> str | None:
    return _text("/proc/loadavg", "/proc/uptime", "/proc/stat", "/proc/vmstat", "/proc/pressure/cpu")


def the_identity_of_this_start_of_the_machine() -> str | None:
    return _text("/proc/sys/kernel/random/boot_id")


def how_the_kernel_was_started() -> str | None:
    return _text("/proc/cmdline")


def its_disks_and_what_they_read_and_write() -> str | None:
    return _text("/proc/diskstats", "/proc/partitions", "/proc/mdstat", "/proc/swaps")


def modules_and_addresses_of_the_kernel() -> str | None:
    return _text("/proc/modules", "/proc/kallsyms", "/proc/iomem", "/proc/ioports", "/proc/vmallocinfo")


def interrupts_and_timers() -> str | None:
    return _text("/proc/interrupts", "/proc/softirqs", "/proc/timer_list", "/proc/schedstat")


def locks_and_keys_of_others() -> str | None:
    return _text("/proc/locks", "/proc/keys", "/proc/key-users")


def where_its_folders_lie_on_the_host() -> str | None:
    rows = [line.split() for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines()]
    return next((row[3] for row in rows if row[4] == "/workspace" and row[3] not in {"/", row[4]}), None)


def which_control_group_it_is_in() -> str | None:
    lines = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    return next((line for line in lines if line.split(":")[2] not in {"/", ""}), None)


def hardware_as_the_kernel_lists_it() -> str | None:
    folders = [folder for folder in ("/sys/class/block", "/sys/class/dmi", "/sys/bus/pci/devices") if _any(folder)]
    return ", ".join(folders) or None


def programs_and_libraries_that_the_system_has() -> str | None:
    return f"{len(os.listdir('/usr/bin'))} programs"  # noqa: PTH208


def the_size_of_the_disk_of_the_workspace() -> str | None:
    status = os.statvfs("/workspace")
    return f"{status.f_blocks * status.f_frsize >> 30} GiB"


def _text(*paths: str) -> str | None:
    """Name the first of these files that can be read and holds something."""
    for path in paths:
        try:
            if Path(path).read_bytes():
                return path
        except OSError:
            continue
    return None


def _any(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return False
