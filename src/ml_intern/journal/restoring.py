"""Put a workspace back to a snapshot, so that a death at any point leaves something that is finished later.

An order is written first and removed last; what it asks for may be done any number of times. What a snapshot could not
keep (too big, a pipe, a file with two names) is never removed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ml_intern.core import confined
from ml_intern.core.collecting import Entry, shown, walk
from ml_intern.core.errors import JournalError, ToolError
from ml_intern.core.events import WorkspaceRestored
from ml_intern.core.protocols import Journal, RunPaths
from ml_intern.journal.snapshots import BOUNDS, Snapshots
from ml_intern.journal.tree import Kept, Tree

_ORDER = "order.json"
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was done: the snapshots before and after, and the names that stand where the snapshot has none."""

    workspace: str
    before: str
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    call_id: str
    workspace: str
    before: str


def roll_back(paths: RunPaths, journal: Journal, *, call_id: str, workspace: str) -> Restored:
    """Put the workspace back to the snapshot `workspace`, and tell the run; `journal` must be open for writing.

    Args:
        paths: the run's files.
        journal: its journal, locked by whoever calls, so that nothing else runs.
        call_id: the call that the person went back to.
        workspace: digest of the tree.

    Raises:
        JournalError: a snapshot is damaged, or the disk refuses; then the same again, or a resume, finishes it.
    """
    finish(paths, journal)
    store = Snapshots(paths.snapshots)
    store.tree(workspace)
    order = _Order(call_id=call_id, workspace=workspace, before=store.take(paths.workspace))
    file = paths.snapshots / _ORDER
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(asdict(order)), "utf-8")
    draft.replace(file)
    return _carry_out(order, paths, journal)


def finish(paths: RunPaths, journal: Journal) -> None:
    """Finish what was begun and cut off, if anything was.

    Raises:
        JournalError: as `roll_back`.
    """
    file = paths.snapshots / _ORDER
    if file.exists():
        _carry_out(_Order(**json.loads(file.read_text("utf-8"))), paths, journal)


def _carry_out(order: _Order, paths: RunPaths, journal: Journal) -> Restored:
    store = Snapshots(paths.snapshots)
    try:
        left = tuple(_restore(paths.workspace, store.tree(order.before), store.tree(order.workspace), store))
    except (OSError, ToolError) as error:
        raise JournalError(f"the workspace cannot be restored: {error}; correct that and do it again") from error
    event = WorkspaceRestored(
        call_id=order.call_id, workspace=order.workspace, before=order.before, text=_told(order.call_id, left)
    )
    if (event.workspace, event.before) not in _done(journal):
        journal.append(event)
    (paths.snapshots / _ORDER).unlink()
    return Restored(workspace=order.workspace, before=order.before, left=left)


def _done(journal: Journal) -> Iterator[tuple[str, str]]:
    """Give what the end of the journal says was restored; empty unless that was the last thing."""
    last = [record.event for record in journal][-1:]
    return ((e.workspace, e.before) for e in last if isinstance(e, WorkspaceRestored))


def _told(call_id: str, left: tuple[str, ...]) -> str:
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    but = f" Left as they are: {', '.join(left[:_NAMED])}{more}." if left else ""
    return (
        f"A person put the files of /workspace back to what they were before the call {call_id}. What that call and "
        f"later ones wrote there is gone; variables of the Python session are gone as well.{but} Go on from there."
    )


def _restore(workspace: Path, before: Tree, wanted: Tree, store: Snapshots) -> Iterator[str]:
    """Make `workspace` hold what `wanted` says; give the names of what was left."""
    present = {entry.name: entry for entry in walk(workspace, BOUNDS) if isinstance(entry, Entry)}
    yield from _clear(workspace, present, before, wanted)
    for name in wanted.folders:
        confined.make_folder(workspace, name)
    for name, kept in wanted.files.items():
        if confined.kind(workspace, name) == "file" and name not in before.files:
            # it is too big to be kept, or was put back already before a death
            if not _holds(workspace, name, kept):
                yield shown(name)
        elif confined.kind(workspace, name) != "file" or before.files[name] != kept:
            confined.write_bytes(workspace, name, store.content(kept.digest), executable=kept.executable)
    for name, target in wanted.links.items():
        if confined.kind(workspace, name) is None:
            confined.write_link(workspace, name, target)


def _clear(workspace: Path, present: Mapping[str, Entry], before: Tree, wanted: Tree) -> Iterator[str]:
    """Remove what must not be there and can be had again; give the names of the rest."""
    # backwards, so that a folder comes after what it holds
    for name, entry in sorted(present.items(), reverse=True):
        if _stays(name, entry, wanted):
            continue
        if entry.kind == "folder" or name in before.files or name in before.links:
            with suppress(ToolError):  # a folder that holds what is left
                confined.remove(workspace, name)
        else:
            yield shown(name)


def _stays(name: str, entry: Entry, wanted: Tree) -> bool:
    """Whether something of the wanted kind has the name already; a file is then replaced where it differs."""
    match entry.kind:
        case "folder":
            return name in wanted.folders
        case "file":
            return name in wanted.files
        case _:
            return False


def _holds(workspace: Path, name: str, kept: Kept) -> bool:
    """Whether the file has this content, because it was restored before a death."""
    with suppress(ToolError):
        return hashlib.sha256(confined.read_bytes(workspace, name, limit=kept.size)).hexdigest() == kept.digest
    return False
