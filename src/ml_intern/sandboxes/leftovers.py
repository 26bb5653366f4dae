"""Find what dead runs left on this machine, say what may go, and remove it: containers, jobs, processes, layers.

Nothing is judged by its age or by a process id alone: a run lives while its journal is locked, a job while its claim
is, and a container is ours by its labels. What belongs to a run of another home is never touched, except a container
whose job has ended, which nobody can follow any more.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, cast

from ml_intern.core.errors import SandboxError
from ml_intern.core.protocols import RunPaths
from ml_intern.core.sandbox import JobSpec, SandboxBackend, SandboxSpec
from ml_intern.sandboxes import layout
from ml_intern.sandboxes.docker import DockerBackend

_PATIENCE = 5.0
"""Seconds in which a killed process must be gone."""

Kind: TypeAlias = Literal["container", "job", "process", "layer"]
Standing: TypeAlias = Literal["alive", "finished", "resumable", "elsewhere"]
"""How a run stands: carried on now, done, to be resumed, or of no run of this home."""
_JOBS_OF = ("calls", "outputs")
"""Folders of a run in which jobs are claimed; never the workspace, where the agent's code writes what it likes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One thing of a run. `reason` says why it goes or stays; `where` is a name of the engine's, a path, or a pid."""

    kind: Kind
    run: str
    where: str
    goes: bool
    reason: str
    backend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What belongs to one home. `standing` judges a run by its name; `make` gives a backend by its name."""

    runs: Path
    standing: Callable[[str], Standing]
    make: Callable[[str], SandboxBackend]
    engines: tuple[DockerBackend, ...]
    is_thorough: bool = False
    """Whether also what a resumed run would go on with shall go: its running jobs and its layers."""


def find(home: Home) -> Iterator[Leftover]:
    """Give everything of dead and living runs, each with whether it goes."""
    for engine in home.engines:
        yield from _containers(engine, home)
    for directory in sorted(home.runs.glob("*")):
        yield from _jobs(directory, home)
        yield from _layers(directory, home)
    yield from _processes(home)


def remove(leftover: Leftover, home: Home) -> None:
    """Remove one thing.

    Raises:
        SandboxError: it could not be removed; the message says why.
    """
    match leftover.kind:
        case "container":
            next(engine for engine in home.engines if engine.name == leftover.backend).remove(leftover.where)
        case "job":
            # attaches only: the claim is there
            job = home.make(leftover.backend).start(
                SandboxSpec(run=leftover.run, mounts=()), JobSpec(directory=Path(leftover.where), argv=())
            )
            job.stop("cleaned")
            job.wait(on_event=lambda event: None, cancelled=lambda: True)
        case "process":
            _kill(int(leftover.where))
        case "layer":
            try:
                shutil.rmtree(leftover.where)
            except OSError as error:
                raise SandboxError(f"{leftover.where} cannot be removed: {error}") from error


def _kill(pid: int) -> None:
    """End a starter, unless the number has become another process's meanwhile, and wait until it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if _job_of(Path("/proc", str(pid))) is not None:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            select.select([descriptor], [], [], _PATIENCE)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def _verdict(standing: Standing, home: Home) -> tuple[bool, str]:
    match standing:
        case "alive":
            return False, "its run is being carried on"
        case "finished":
            return True, "its run is done"
        case "elsewhere":
            return False, "it belongs to no run of this home"
        case "resumable":
            reason = "its run ended unfinished" if home.is_thorough else "`resume` goes on with it; --all removes it"
            return home.is_thorough, reason


def _containers(engine: DockerBackend, home: Home) -> Iterator[Leftover]:
    """Give sessions, and jobs that have ended; a job that runs is found by its claim."""
    for found in engine.listed():
        if found.mode == "session":
            standing = home.standing(found.run)
            goes, reason = standing in {"finished", "resumable"}, "its agent is dead"
            if not goes:
                goes, reason = _verdict(standing, home)
        elif _holds(found.directory / "claim.json"):
            continue
        else:
            goes, reason = True, "nobody follows its job any more"
        yield Leftover(kind="container", run=found.run, where=found.name, goes=goes, reason=reason, backend=engine.name)


def _jobs(directory: Path, home: Home) -> Iterator[Leftover]:
    for claim in (claim for part in _JOBS_OF for claim in sorted((directory / part).rglob("claim.json"))):
        if _holds(claim):
            goes, reason = _verdict(home.standing(directory.name), home)
            backend = str(cast("dict[str, object]", json.loads(claim.read_text("utf-8"))).get("backend", ""))
            where = str(claim.parent)
            yield Leftover(kind="job", run=directory.name, where=where, goes=goes, reason=reason, backend=backend)


def _layers(directory: Path, home: Home) -> Iterator[Leftover]:
    for layer in sorted((RunPaths(root=directory).root / "layers").glob("*")):
        goes, reason = _verdict(home.standing(directory.name), home)
        yield Leftover(kind="layer", run=directory.name, where=str(layer), goes=goes, reason=reason)


def _processes(home: Home) -> Iterator[Leftover]:
    """Give jobs in namespaces whose folder, and with it their claim, was deleted under them."""
    for process in Path("/proc").glob("[0-9]*"):
        directory = _job_of(process)
        if directory is not None and directory.is_relative_to(home.runs.absolute()) and not directory.exists():
            run = directory.relative_to(home.runs.absolute()).parts[0]
            yield Leftover(kind="process", run=run, where=process.name, goes=True, reason="its folder was deleted")


def _job_of(process: Path) -> Path | None:
    """Give the folder of the job that a launcher or holder serves; None for any other process."""
    try:
        words = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:  # it ended, or is not ours
        return None
    own = str(Path(__file__).parent).encode()
    if len(words) < 5 or not words[3].startswith(own) or Path(os.fsdecode(words[3])).name not in _STARTERS:
        return None
    try:
        return _control_of(json.loads(words[4]))
    except (ValueError, KeyError, TypeError):
        return None


_STARTERS = ("launcher.py", "holder.py")


def _control_of(order: dict[str, object]) -> Path | None:
    """Find in a starter's order where the control folder comes from."""
    if "binds" in order:
        binds = cast("list[dict[str, str]]", order["binds"])
        return next((Path(bind["source"]).parent for bind in binds if bind["target"] == layout.CONTROL), None)
    argv = cast("list[str]", order["argv"])
    where = argv.index(layout.CONTROL) if layout.CONTROL in argv else 0
    return Path(argv[where - 1]).parent if where else None


def _holds(claim: Path) -> bool:
    """Whether a process holds the claim of a job."""
    try:
        with claim.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
