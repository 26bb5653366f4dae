"""Questions that several packages ask of a journal, each answered by one pass over its records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ml_intern.core.events import ApprovalAnswered, ApprovalAsked, Record, RunStarted, ToolFinished
from ml_intern.core.facts import Fact

FactKind = TypeVar("FactKind", bound=Fact)


def all_facts(records: Sequence[Record]) -> tuple[Fact, ...]:
    """Give everything proven so far, oldest first."""
    return tuple(fact for r in records if isinstance(r.event, ToolFinished) for fact in r.event.observation.facts)


def facts(records: Sequence[Record], kind: type[FactKind]) -> tuple[FactKind, ...]:
    """Give the facts of one kind, oldest first."""
    return tuple(fact for fact in all_facts(records) if isinstance(fact, kind))


def started(records: Sequence[Record]) -> RunStarted | None:
    """Give the event that opened the run."""
    first = records[0].event if records else None
    return first if isinstance(first, RunStarted) else None


def waiting_calls(records: Sequence[Record]) -> list[ApprovalAsked]:
    """Give the questions that nobody has answered."""
    answered = {r.event.call_id for r in records if isinstance(r.event, ApprovalAnswered)}
    return [r.event for r in records if isinstance(r.event, ApprovalAsked) and r.event.call_id not in answered]
