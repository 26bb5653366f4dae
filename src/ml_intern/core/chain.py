"""A digest over a journal up to one of its events: who keeps the journal can show that nothing before was changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import cast

from ml_intern.core.events import Record


def chain(records: Sequence[Record]) -> str:
    """Give the SHA-256 that grows with each event: the digest of the digest before and the event as sorted JSON.

    Fields that hold their default are left out, so that a field which a later version adds changes nothing.
    """
    link = hashlib.sha256(b"ml-intern journal 1").digest()
    for record in records:
        text = json.dumps([record.seq, record.at, _given(asdict(record.event))], sort_keys=True, default=str)
        link = hashlib.sha256(link + text.encode()).digest()
    return link.hex()


def _given(value: object) -> object:
    """Leave out what is empty, in mappings at any depth."""
    if isinstance(value, dict):
        entries = cast("dict[object, object]", value)
        kept = {str(key): _given(inner) for key, inner in entries.items()}
        return {key: inner for key, inner in kept.items() if inner not in (None, "", 0, False, [], {})}
    if isinstance(value, list | tuple):
        return [_given(inner) for inner in cast("list[object]", value)]
    return value
