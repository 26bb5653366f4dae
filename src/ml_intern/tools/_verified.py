"""The list of checked networks that the guard inside goes by: derived from the journal, written for the sandbox.

A folder is mounted and not the file: a file replaced at once would stay the old one for a mount of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, cast

from ml_intern.core.events import ToolFinished
from ml_intern.core.facts import NetworkVerified
from ml_intern.core.protocols import ToolContext


class Listing(TypedDict):
    """SHA-256 of each checked file with its name, and of the networks' own files with their checked classes."""

    files: dict[str, str]
    networks: dict[str, list[str]]


def note_verified(context: ToolContext, files: Mapping[str, bytes], fact: NetworkVerified) -> None:
    """Add what this call has just proven."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    listing = Listing(
        files={digest: name for name, digest in digests.items()}, networks={digests[fact.file]: [fact.class_name]}
    )
    _write(context.paths.call(context.call_id) / "verified.json", listing)
    list_verified(context, context.call_id)


def list_verified(context: ToolContext, *more: str) -> None:
    """Write the list anew from the calls whose facts are in the journal, and `more` calls."""
    proven = [
        record.event.call.id
        for record in context.records
        if isinstance(record.event, ToolFinished)
        and any(isinstance(fact, NetworkVerified) for fact in record.event.observation.facts)
    ]
    entries = [context.paths.call(call) / "verified.json" for call in (*proven, *more)]
    _write(context.paths.root / "verified" / "digests.json", _merged([e for e in entries if e.exists()]))


def _merged(entries: Sequence[Path]) -> Listing:
    merged = Listing(files={}, networks={})
    for entry in entries:
        listing = cast("Listing", json.loads(entry.read_text("utf-8")))
        merged["files"].update(listing["files"])
        for digest, classes in listing["networks"].items():
            merged["networks"][digest] = sorted({*merged["networks"].get(digest, ()), *classes})
    return merged


def _write(file: Path, listing: Listing) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(listing, indent=1), "utf-8")
    draft.chmod(0o644)
    draft.replace(file)
