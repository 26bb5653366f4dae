"""The folder of runs: find one, list all, answer one that waits."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ml_intern.core.budget import spent
from ml_intern.core.errors import ConfigError, JournalError
from ml_intern.core.events import ApprovalAnswered, Outcome, Record, RunFinished, RunReopened
from ml_intern.core.folds import started, waiting_calls
from ml_intern.journal.sqlite import SqliteJournal

DATABASE = "run.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """One line about a run. `outcome` is None while it runs or after its process died; `usd` None if unknown."""

    run: str
    task: str
    model: str
    outcome: Outcome | None
    started_at: datetime
    events: int
    iterations: int
    usd: float | None
    directory: Path
    alive: bool


def new_run(task: str, *, now: datetime) -> str:
    """Name a run so that names sort by time and say what it was about."""
    words = re.findall(r"[a-z0-9]+", task.lower())
    telling = [word for word in words if len(word) > 3][:4]
    return "-".join([now.strftime("%Y%m%d-%H%M%S"), *telling, secrets.token_hex(2)])


def outcome_of(records: Sequence[Record]) -> Outcome | None:
    """Say how the run stands: its outcome, `waiting`, or None while it is under way or torn."""
    if waiting_calls(records):
        return "waiting"
    last = next((r.event for r in reversed(records) if isinstance(r.event, RunFinished | RunReopened)), None)
    return last.outcome if isinstance(last, RunFinished) else None


def describe(directory: Path) -> RunInfo:
    """Read one run.

    Raises:
        JournalError: its journal is missing or damaged.
    """
    with SqliteJournal(directory / DATABASE, writer=False) as journal:
        records = list(journal)
    opened = started(records)
    if opened is None:
        raise JournalError(f"the journal in {directory} is empty")
    used = spent(records)
    return RunInfo(
        run=directory.name,
        task=opened.task,
        model=opened.model,
        outcome=outcome_of(records),
        started_at=datetime.fromtimestamp(records[0].at, UTC),
        events=len(records),
        iterations=used.iterations,
        usd=used.usage.usd,
        directory=directory,
        alive=is_alive(directory),
    )


def list_runs(runs: Path) -> list[RunInfo]:
    """Describe every readable run, newest first."""
    infos: list[RunInfo] = []
    for database in sorted(runs.glob(f"*/{DATABASE}"), reverse=True):
        try:
            infos.append(describe(database.parent))
        except JournalError:
            continue  # `show` of that run says what is wrong with it; a list must not fail for one of its rows
    return infos


def find_run(runs: Path, prefix: str) -> Path:
    """Give the folder of the run whose name is `prefix`, starts or ends with it.

    Raises:
        ConfigError: none or several do; the message lists candidates.
    """
    names = sorted(path.parent.name for path in runs.glob(f"*/{DATABASE}"))
    if prefix in names:
        return runs / prefix
    matches = [name for name in names if name.startswith(prefix) or name.endswith(prefix)]
    if len(matches) == 1 and prefix:
        return runs / matches[0]
    shown = ", ".join(matches or names[-5:]) or "none yet"
    problem = "is ambiguous" if matches else "is unknown"
    raise ConfigError(f"the run {prefix!r} {problem}; {'it could be' if matches else 'the newest are'}: {shown}")


def answer(directory: Path, call_id: str | None, *, approved: bool, comment: str = "") -> Record:
    """Record a person's decision on the call that waits; a second answer is refused.

    Raises:
        ConfigError: nothing waits, or `call_id` is none of what waits.
        JournalError: the run is being carried on, or the journal cannot be written.
    """
    with SqliteJournal(directory / DATABASE, writer=True) as journal:
        waiting = [asked.call_id for asked in waiting_calls(list(journal))]
        if not waiting:
            raise ConfigError(f"nothing waits for an answer in {directory.name}")
        if call_id is not None and call_id not in waiting:
            raise ConfigError(f"call {call_id!r} does not wait; these do: {', '.join(waiting)}")
        return journal.append(ApprovalAnswered(call_id=call_id or waiting[0], approved=approved, comment=comment))


def is_alive(directory: Path) -> bool:
    """Whether a process carries the run on right now."""
    lock = directory / f"{DATABASE}.lock"
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
