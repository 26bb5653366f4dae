"""Events to JSON and back, across versions of the schema."""

from __future__ import annotations

from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from ml_intern.core.errors import JournalError
from ml_intern.core.events import Event

SCHEMA_VERSION = 1
"""Raised when an event of an older journal needs changing to be read; `decode` then upgrades it."""

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def encode(event: Event) -> str:
    """Give the JSON of an event."""
    return _EVENT.dump_json(event).decode()


def decode(text: str, *, version: int, where: str) -> Event:
    """Read what `encode` wrote, in this version or an older one.

    Raises:
        JournalError: it is damaged, or written by a newer version; `where` names the place.
    """
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"{where} was written by a newer version (schema {version}, this one reads up to {SCHEMA_VERSION}); "
            "upgrade open-ml-intern"
        )
    try:
        return _EVENT.validate_json(text)
    except ValidationError as error:
        raise JournalError(f"{where} is damaged: {error.errors(include_url=False)[0]['msg']}") from error


def plain(event: Event) -> dict[str, Any]:
    """Give the event as JSON values, for `--json` and exports."""
    return cast("dict[str, Any]", _EVENT.dump_python(event, mode="json"))
