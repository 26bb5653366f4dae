"""Questions that several packages ask of a journal, each answered by one pass over its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from ml_intern.core.events import ApprovalAnswered, ApprovalAsked, CheckWaived, Record, RunStarted, ToolFinished
from ml_intern.core.facts import Evaluated, Fact, Published, Trained
from ml_intern.core.gated import Waived

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


def waivers(records: Sequence[Record]) -> Mapping[str, str]:
    """Give the reason of each check that may fail, by its name: by the person's word, or with their consent."""
    own = {r.event.check: r.event.reason for r in records if isinstance(r.event, CheckWaived)}
    return {**{fact.check: fact.reason for fact in facts(records, Waived)}, **own}


def chosen_training(records: Sequence[Record], call_id: str = "") -> Trained | None:
    """Give the training of that call, the newest where none is named; None where there is none."""
    made = [one for one in facts(records, Trained) if not call_id or one.call_id == call_id]
    return made[-1] if made else None


def published_training(records: Sequence[Record]) -> str:
    """Give the call of the training that was published last; empty where none was."""
    trained = {one.bundle_digest: one.train_call_id for one in facts(records, Evaluated)}
    known = [trained[one.bundle_digest] for one in facts(records, Published) if one.bundle_digest in trained]
    return known[-1] if known else ""
