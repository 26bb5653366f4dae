"""How a run stands: in a word, on a line, as an object."""

from __future__ import annotations

from collections.abc import Mapping

from ml_intern.core.neutral import one_line
from ml_intern.journal.runs import RunInfo


def state_of(info: RunInfo) -> str:
    """Say how a run stands, the living and the torn included."""
    if info.alive:
        return "running"
    return info.outcome or "torn"


def info_line(info: RunInfo) -> str:
    """Write one run on one line."""
    usd = "$?" if info.usd is None else f"${info.usd:.2f}"
    return f"{info.run:<52} {state_of(info):<14} {info.iterations:>3} requests {usd:>7}  {one_line(info.task, 60)}"


def info_json(info: RunInfo) -> Mapping[str, object]:
    """Give one run as JSON values."""
    return {
        "run": info.run,
        "state": state_of(info),
        "outcome": info.outcome,
        "alive": info.alive,
        "task": info.task,
        "model": info.model,
        "started_at": info.started_at.isoformat(),
        "events": info.events,
        "iterations": info.iterations,
        "usd": info.usd,
        "directory": str(info.directory),
    }
