"""What every backend gives the inside, whatever the engine: paths, environment, the supervisor's command."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from ml_intern.core.errors import SandboxError
from ml_intern.core.sandbox import Mount, SandboxSpec

Mode: TypeAlias = Literal["session", "job"]

SCRIPTS = Path(__file__).with_name("inside")
"""Programs of process 1 and of the worker, mounted read-only."""
INSIDE = "/opt/ml-intern/inside"
CONTROL = "/opt/ml-intern/control"
MASK = Path(__file__).parent / "mask"
"""A folder without data, mounted over what the inside must not read."""
USER = 10001
"""User and group inside, where the agent runs as root."""
_SUPERVISOR, _NURSERY = 64 << 20, 320 << 20
"""Bytes that process 1 needs to tell that a limit was passed, and that the process which has torch ready may hold."""
_RESERVED = ("/", "/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes of the file systems in memory, part of the memory limit."""

    temporary: int
    shared: int

    @classmethod
    def of(cls, memory: int) -> Sizes:
        """Give `/tmp` and `/dev/shm` a quarter of `memory` each, at most 4 GiB: full, both leave room for the code."""
        size = min(memory // 4, 4 << 30)
        return cls(temporary=size, shared=size)


def environment(spec: SandboxSpec, *, path: str) -> dict[str, str]:
    """Give the whole environment of the inside; nothing of the agent's own gets in."""
    base = {
        "PATH": path,
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "MPLCONFIGDIR": "/tmp/.matplotlib",
        # matplotlib asks fontconfig for the fonts of the system, which complains where /etc/fonts is missing
        "FONTCONFIG_FILE": f"{INSIDE}/fonts.conf",
        "USER": "sandbox",
        # OpenMP's threads wait for each other in busy loops otherwise: beside other work a step takes ten times as long
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    if spec.limits.cpus is not None:
        base["OMP_NUM_THREADS"] = str(max(1, math.ceil(spec.limits.cpus)))
    return {**base, **spec.environment}


def hard_memory(mode: Mode, spec: SandboxSpec) -> int:
    """Give the bytes that the kernel shall keep all processes to: the code's limit, and what is ours beside it."""
    nursery = _NURSERY if mode == "session" and spec.preload else 0
    return spec.limits.memory + _SUPERVISOR + nursery


def supervisor(mode: Mode, spec: SandboxSpec, *, python: str, limit_processes: bool) -> tuple[str, ...]:
    """Give the command of process 1.

    Args:
        mode: what it serves.
        spec: the sandbox.
        python: the interpreter, inside.
        limit_processes: whether it must limit processes, because no engine does.
    """
    settings: Mapping[str, object] = {
        "memory": spec.limits.memory,
        "disk": spec.limits.disk,
        "files": spec.limits.files,
        "output": spec.limits.output,
        "stored": spec.limits.stored,
        "preload": list(spec.preload),
        "processes": spec.limits.processes,
        "limit_processes": limit_processes,
        "writable": [mount.target for mount in spec.mounts if mount.writable],
        "directory": spec.working_directory,
        "control": CONTROL,
    }
    return (python, "-I", "-S", f"{INSIDE}/supervisor.py", mode, json.dumps(settings))


def mounts(spec: SandboxSpec, control: Path | None) -> tuple[Mount, ...]:
    """Give all mounts with real paths, outer targets first.

    Raises:
        SandboxError: a source is missing or a target is not allowed.
    """
    own = [Mount(source=SCRIPTS, target=INSIDE)]
    if control is not None:
        own.append(Mount(source=control, target=CONTROL))
    checked = [_checked(mount) for mount in (*spec.mounts, *own)]
    return tuple(sorted(checked, key=lambda mount: PurePosixPath(mount.target).parts))


def _checked(mount: Mount) -> Mount:
    target = PurePosixPath(mount.target)
    if not target.is_absolute() or ".." in target.parts or str(target) in _RESERVED:
        raise SandboxError(f"{mount.target} cannot be a mount point inside; use a folder of its own such as /data")
    if not mount.source.exists():
        raise SandboxError(f"{mount.source}, to be seen as {mount.target} inside, does not exist")
    return Mount(source=mount.source.resolve(), target=str(target), writable=mount.writable)


def sources(spec: SandboxSpec, *, writable: bool) -> Sequence[Path]:
    """Give the host's folders and files that the inside may write, or those that it may only read."""
    return [mount.source.resolve() for mount in spec.mounts if mount.writable == writable]
