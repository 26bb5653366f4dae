"""Rules of a conversation that no provider's library keeps: each call has its own id and one object of arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Never, cast

from ml_intern.core.messages import Message


def with_unique_ids(messages: Sequence[Message]) -> list[Message]:
    """Give every call an id of its own, and its answer the same one.

    Ids that are there once stay; a missing or repeated one is made from its place, so that the same conversation
    always gets the same ids.
    """
    clean: list[Message] = []
    used: set[str] = set()
    open_calls: list[tuple[str, str]] = []  # (id as it came, id as it goes out), of the last turn
    turn = 0
    for message in messages:
        if message.role == "assistant":
            given = [call.id for call in message.calls]
            ids = fresh_ids(given, used, turn)
            used.update(ids)
            open_calls = list(zip(given, ids, strict=True))
            turn += 1
            calls = tuple(replace(call, id=new) for call, new in zip(message.calls, ids, strict=True))
            clean.append(replace(message, calls=calls))
        elif message.role == "tool":
            clean.append(replace(message, call_id=_answered(message.call_id or "", open_calls)))
        else:
            clean.append(message)
    return clean


def fresh_ids(given: Sequence[str], used: set[str], turn: int) -> list[str]:
    """Keep each id of a turn (counted from 0) that is neither empty nor `used`; name the others by their place."""
    taken = set(used)
    ids: list[str] = []
    for place, wanted in enumerate(given):
        new = wanted
        while not new or new in taken:
            new = f"call_{turn}_{place}" if new in {"", wanted} else f"{new}_"
        taken.add(new)
        ids.append(new)
    return ids


def used_ids(messages: Sequence[Message]) -> set[str]:
    """Collect the ids of every call in the conversation."""
    return {call.id for message in messages for call in message.calls}


def turns(messages: Sequence[Message]) -> int:
    """Count the answers of the model so far."""
    return sum(message.role == "assistant" for message in messages)


def parse_arguments(raw: str) -> Mapping[str, object] | None:
    """Read the arguments of a call; nothing at all means none were needed, None that they are no JSON object."""
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _answered(call_id: str, open_calls: list[tuple[str, str]]) -> str:
    """Find the open call that `call_id` answers, and close it; an answer to nothing keeps what it says."""
    for position, (given, new) in enumerate(open_calls):
        if given == call_id:
            del open_calls[position]
            return new
    return call_id


def _refuse(constant: str) -> Never:
    # Python reads NaN and Infinity, which are no JSON: the journal and the next request could not hold them.
    raise ValueError(f"{constant} is not JSON")
