"""Bound memory, processes and processors of a rootless container by control groups, where this user may make some.

Version 2 where it is delegated (or to root), version 1 to root only; elsewhere the watchdog inside keeps the limits.
Sources: cgroups(7); the kernel's Documentation/admin-guide/cgroup-v2.rst, "Delegation" and "Memory Interface Files".
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_intern.core.sandbox import Limits
from ml_intern.sandboxes.walls import Bind, Plan

ROOT = Path("/sys/fs/cgroup")
_PREFIX = "ml-intern."
_ABANDONED = 600.0
"""Seconds after which an empty group belongs to nobody: its launcher was killed before it could remove it."""
_PERIOD = 100_000
"""Microseconds over which time on processors is counted, as the kernel does unless told otherwise."""
_OWN_PROCESSES = 8
"""Processes beside the code's: the supervisor, the nursery and what they start for a moment."""
_COUNTERS = {"memory.events": ROOT / "memory.events", "memory.oom_control": ROOT / "memory" / "memory.oom_control"}
"""Files that tell how often the kernel ended a process for memory, and where the inside looks for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A folder that a group shall be made in, and what to write to its files, in this order."""

    parent: Path
    files: Mapping[str, str]


def bounded(plan: Plan, limits: Limits, memory: int) -> Plan:
    """Make groups for the sandbox of `plan` and give the plan to join them; the same plan where that is not permitted.

    `memory` in bytes is what the kernel keeps, above the limit that the watchdog keeps.
    """
    own = Path("/proc/self/cgroup").read_text("ascii")
    _sweep(wanted(own, limits, memory))
    made = make(wanted(own, limits, memory), f"{_PREFIX}{os.getpid()}-{time.monotonic_ns()}")
    return {**plan, "groups": [str(group) for group in made], "binds": [*plan["binds"], *_counters(made)]}


def wanted(own: str, limits: Limits, memory: int, *, root: Path = ROOT) -> Sequence[Wanted]:
    """Say which groups to make; reads the file system, changes nothing.

    Args:
        own: the content of `/proc/self/cgroup`.
        limits: what to set.
        memory: bytes.
        root: where control groups are mounted.
    """
    rows = (line.split(":", 2) for line in own.splitlines())
    paths = {controller: path for _, controllers, path in rows for controller in controllers.split(",")}
    return tuple(_unified(paths, limits, memory, root) if _is_unified(root) else _separate(paths, limits, memory, root))


def _is_unified(root: Path) -> bool:
    return (root / "cgroup.controllers").exists()


def _unified(paths: Mapping[str, str], limits: Limits, memory: int, root: Path) -> Iterator[Wanted]:
    home = root / paths.get("", "/").lstrip("/")
    # a group with processes in it cannot have limited groups below it, hence beside our own
    parent = home if home == root else home.parent
    try:
        given = set((parent / "cgroup.subtree_control").read_text("ascii").split())
    except OSError:  # another container shows us a part of the tree only
        return
    files = {
        "memory": {"memory.max": str(memory), "memory.swap.max": "0"},
        "pids": {"pids.max": str(limits.processes + _OWN_PROCESSES)},
        "cpu": {"cpu.max": f"{_quota(limits)} {_PERIOD}"} if limits.cpus else {},
    }
    if {"memory", "pids"} <= given:
        yield Wanted(
            parent=parent, files={name: value for key in files if key in given for name, value in files[key].items()}
        )


def _separate(paths: Mapping[str, str], limits: Limits, memory: int, root: Path) -> Iterator[Wanted]:
    """Give one group for each controller; the limit with swap can only be set after the one without."""
    files = {
        "memory": {"memory.limit_in_bytes": str(memory), "memory.memsw.limit_in_bytes": str(memory)},
        "pids": {"pids.max": str(limits.processes + _OWN_PROCESSES)},
        "cpu": {"cpu.cfs_period_us": str(_PERIOD), "cpu.cfs_quota_us": _quota(limits)} if limits.cpus else {},
    }
    for controller, content in files.items():
        home = root / controller / paths.get(controller, "/").lstrip("/")
        parent = home if home.is_dir() else root / controller
        if content and parent.is_dir():
            yield Wanted(parent=parent, files=content)


def _quota(limits: Limits) -> str:
    return str(round((limits.cpus or 0) * _PERIOD))


def make(groups: Sequence[Wanted], name: str) -> Sequence[Path]:
    """Make the groups and set their limits: all of them, or none where one is not permitted."""
    made: list[Path] = []
    try:
        for group in groups:
            place = group.parent / name
            place.mkdir()
            made.append(place)
            for file, value in group.files.items():
                if (place / file).exists():  # some kernels do not count swap
                    (place / file).write_text(value, "ascii")
    except OSError:
        for place in made:
            _remove(place)
        return ()
    return tuple(made)


def _sweep(groups: Sequence[Wanted]) -> None:
    """Remove what launchers that were killed left; the kernel refuses to remove a group with a process in it."""
    for group in groups:
        for place in group.parent.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):
                if time.time() - place.stat().st_ctime > _ABANDONED:
                    place.rmdir()


def _remove(place: Path) -> None:
    with contextlib.suppress(OSError):
        place.rmdir()


def _counters(made: Sequence[Path]) -> Iterator[Bind]:
    """Show the inside how often the kernel ended one of its processes."""
    for group in made:
        for name, target in _COUNTERS.items():
            if (group / name).exists():
                yield {"source": str(group / name), "target": str(target), "writable": False, "device": False}
