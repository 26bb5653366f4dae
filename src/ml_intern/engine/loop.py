"""The agent loop: decide the next events from the journal, append them, repeat."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ml_intern.core.errors import ModelError, SandboxError
from ml_intern.core.events import Event, ModelAsked, ModelReplied, Nudged, Record, RunFinished
from ml_intern.core.folds import waiting_calls
from ml_intern.core.live import ModelText
from ml_intern.core.messages import Reply
from ml_intern.core.protocols import Journal
from ml_intern.engine import folds
from ml_intern.engine.dispatch import dispatch
from ml_intern.engine.harness import Harness
from ml_intern.engine.repetition import NUDGE_AT, STOP_AT, repetitions

PATIENCE = 3
"""How often a model that stops too early is told what is missing before the run ends as incomplete."""

_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def run(harness: Harness, journal: Journal, opening: Sequence[Event]) -> Iterator[Record]:
    """Append `opening`, then carry the run on to its end or its next question; yield each new record.

    The journal may hold a part of the run already: this is how a killed run is resumed.
    """
    records = list(journal)
    yield from _append(journal, records, opening)
    while not folds.finished(records) and not waiting_calls(records):
        yield from _append(journal, records, _guarded(harness, records))


def _guarded(harness: Harness, records: Sequence[Record]) -> Iterator[Event]:
    """Take one step; a failed service or sandbox ends the run, and may be resumed."""
    if harness.cancelled():
        yield RunFinished(outcome="cancelled", text="Stopped by the person.")
        return
    try:
        yield from _step(harness, records)
    except ModelError as error:
        yield RunFinished(outcome="model_failed", text=str(error))
    except SandboxError as error:
        yield RunFinished(outcome="sandbox_failed", text=str(error))


def _step(harness: Harness, records: Sequence[Record]) -> Iterator[Event]:
    if calls := folds.pending(records):
        yield from dispatch(calls[0], harness, records)
    elif (text := folds.final_word(records)) is not None:
        yield _conclude(harness, records, text)
    elif (circle := _circle(records)) is not None:
        yield circle
    else:
        yield from _ask(harness, records)


def _ask(harness: Harness, records: Sequence[Record]) -> Iterator[Event]:
    conversation, specs = folds.messages(records), [tool.spec for tool in harness.tools.values()]
    reserve = harness.model.estimate(conversation, specs)
    if limit := harness.budget.exceeded(records, reserve):
        outcome, why = limit
        yield RunFinished(outcome=outcome, text=f"Stopped: {why}.")
        return
    key = folds.next_key(records)
    yield ModelAsked(key=key, reserved=reserve)
    reply = harness.model.complete(conversation, specs, on_text=lambda text: harness.live(ModelText(text=text)))
    yield ModelReplied(key=key, reply=_with_unique_calls(reply, records))


def _conclude(harness: Harness, records: Sequence[Record], text: str) -> Event:
    """Accept that the model stopped, or tell it what is missing."""
    missing = harness.completion.missing(records)
    if not missing:
        return RunFinished(outcome="done", text=text)
    if folds.nudges_in_a_row(records, "incomplete") >= PATIENCE:
        return RunFinished(outcome="incomplete", text="Stopped before the task was done. " + " ".join(missing))
    return Nudged(reason="incomplete", text="The task is not done. " + " ".join(missing))


def _circle(records: Sequence[Record]) -> Event | None:
    count = repetitions(records)
    if count >= STOP_AT:
        return RunFinished(outcome="stuck", text=f"The same calls gave the same results {count} times in a row.")
    if count >= NUDGE_AT and not folds.nudges_in_a_row(records, "repetition"):
        return Nudged(
            reason="repetition",
            text=f"You made the same calls with the same results {count} times in a row. Something else is needed: "
            "read the last observation again, change the approach, or stop and say what blocks you.",
        )
    return None


def _with_unique_calls(reply: Reply, records: Sequence[Record]) -> Reply:
    """Rename calls whose id the run has seen or no file could have: an id names a call's side effects for good."""
    seen = {call.id for r in records if isinstance(r.event, ModelReplied) for call in r.event.reply.calls}
    calls = list(reply.calls)
    for place, call in enumerate(calls):
        stem = call.id if _PLAIN_ID.fullmatch(call.id) else f"call-{hashlib.sha256(call.id.encode()).hexdigest()[:12]}"
        fresh, suffix = stem, 2
        while fresh in seen:
            fresh, suffix = f"{stem}-{suffix}", suffix + 1
        seen.add(fresh)
        calls[place] = call if fresh == call.id else replace(call, id=fresh)
    renamed = tuple(calls)
    # the provider's own copy names the old ids and would contradict the observations
    return reply if renamed == reply.calls else replace(reply, calls=renamed, provider=None)


def _append(journal: Journal, records: list[Record], events: Iterable[Event]) -> Iterator[Record]:
    for event in events:
        records.append(journal.append(event))
        yield records[-1]
