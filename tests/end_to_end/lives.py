"""Run the real command in a process of its own, kill it, resume it, and read what it left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_intern.core.events import ToolStarted
from ml_intern.core.facts import Evaluated, Published, Score, Trained
from ml_intern.core.folds import facts
from ml_intern.journal.runs import DATABASE
from ml_intern.journal.sqlite import SqliteJournal


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What must be the same however often a run was killed."""

    weights: str
    scores: tuple[Score, ...]
    trainings: int
    publications: int
    commits: int


def environment(home: Path, python: Path | None, **more: str) -> Mapping[str, str]:
    chosen = {"ML_INTERN_SANDBOX_PYTHON": str(python), "ML_INTERN_SANDBOX": "namespaces"} if python else {}
    outer = {name: value for name, value in os.environ.items() if not name.startswith("ML_INTERN_")}
    return {**outer, "ML_INTERN_HOME": str(home), **chosen, **more}


def command(
    arguments: Sequence[str], env: Mapping[str, str], *, stdout: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    start = "import sys; from ml_intern.cli import main; sys.exit(main())"
    argv = [sys.executable, "-c", start, *arguments]
    return subprocess.Popen(argv, env=env, stdout=stdout, stderr=subprocess.PIPE, start_new_session=True)


def live_for(seconds: float, arguments: Sequence[str], env: Mapping[str, str], *, begun: Path | None = None) -> int:
    """Let the command live for at most `seconds`, then SIGKILL its whole process group; give its exit status.

    With `begun`, a home, they count from when a run is there: how long a start takes is up to the machine.
    """
    process = command(arguments, env)
    while begun is not None and only_run(begun) is None and process.poll() is None:
        time.sleep(0.05)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return process.returncode


def live_until_claim(arguments: Sequence[str], env: Mapping[str, str], home: Path, seen: set[Path]) -> int:
    """Let the command live until it claims a job that is not in `seen`, to which it is added; then SIGKILL its group.

    Gives its exit status.
    """
    process = command(arguments, env)
    while process.poll() is None:
        if new := only_run(home) and _claims(home) - seen:
            seen |= new
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.001)
    process.communicate()
    return process.returncode


def _claims(home: Path) -> set[Path]:
    return {Path(folder) for folder, _, files in os.walk(home / "runs") if "claim.json" in files}


def only_run(home: Path) -> str | None:
    runs = [path.parent.name for path in (home / "runs").glob(f"*/{DATABASE}")]
    return runs[0] if runs else None


def left(home: Path) -> Left:
    run = only_run(home)
    assert run is not None
    with SqliteJournal(home / "runs" / run / DATABASE, writer=False) as journal:
        records = list(journal)
    started = [r.event.call.name for r in records if isinstance(r.event, ToolStarted)]
    lines = [line for file in (home / "hub").rglob("*.jsonl") for line in file.read_text("utf-8").splitlines()]
    commits = [json.loads(line) for line in lines if line]
    return Left(
        weights=facts(records, Trained)[-1].weights_digest,
        scores=facts(records, Evaluated)[-1].scores,
        trainings=started.count("train"),
        publications=len(facts(records, Published)),
        commits=len(commits),
    )
