"""Tell what a call changed in the workspace, and find the snapshot that a call or a digest names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ml_intern.cli.reading import read_records
from ml_intern.cli.terminal import Terminal
from ml_intern.core.collecting import shown
from ml_intern.core.errors import ConfigError
from ml_intern.core.events import Record, ToolFinished, ToolStarted
from ml_intern.core.protocols import RunPaths
from ml_intern.journal.changes import changes
from ml_intern.journal.snapshots import DIGEST, Snapshots
from ml_intern.journal.tree import Tree


def print_changes(directory: Path, call_id: str, terminal: Terminal, *, as_json: bool) -> None:
    """Print a unified diff, or a JSON object a file."""
    before, after, store = _sides(RunPaths(root=directory), read_records(directory), call_id)
    found = list(changes(before, after, store.content))
    for change in found:
        if as_json:
            terminal.json(asdict(change))
        else:
            for line in change.lines:
                terminal.data(line)
    if not found:
        terminal.note(f"ml-intern: {call_id} changed no file of the workspace")
    for name, reason in _left(before, after):
        terminal.note(f"not compared: {shown(name)}: {reason}")


def _left(before: Tree, after: Tree) -> Iterator[tuple[str, str]]:
    yield from sorted({**before.left, **after.left}.items())


def _sides(paths: RunPaths, records: list[Record], call_id: str) -> tuple[Tree, Tree, Snapshots]:
    store = Snapshots(paths.snapshots)
    before = before_call(records, call_id)
    ended = [r.event.workspace for r in records if isinstance(r.event, ToolFinished) and r.event.call.id == call_id]
    # a call that has not ended is compared with what there is now
    after = ended[0] if ended and ended[0] is not None else store.take(paths.workspace)
    return store.tree(before), store.tree(after), store


def find_snapshot(paths: RunPaths, records: list[Record], name: str) -> str:
    """Give the digest of the snapshot made before the call `name`, or of the one whose digest begins so.

    Raises:
        ConfigError: there is none.
    """
    is_call = any(isinstance(r.event, ToolStarted) and r.event.call.id == name for r in records)
    if not is_call and len(name) >= DIGEST and set(name) <= set("0123456789abcdef"):
        return Snapshots(paths.snapshots).find(name)
    return before_call(records, name)


def before_call(records: list[Record], call_id: str) -> str:
    """Give the digest of the snapshot made before a call.

    Raises:
        ConfigError: there is none.
    """
    made = {
        r.event.call.id: r.event.workspace
        for r in records
        if isinstance(r.event, ToolStarted) and r.event.workspace is not None
    }
    if call_id not in made:
        known = ", ".join(made) or "none yet"
        raise ConfigError(f"no snapshot was made before a call {call_id!r}; calls with one: {known}")
    return made[call_id] or ""
