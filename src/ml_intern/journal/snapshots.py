"""Keep what a workspace held before and after calls: every content once, under its SHA-256, beside the run's journal.

`objects/ab/cdef…` hold contents and `trees/DIGEST` what a workspace held. Everything appears by a rename, contents
before the tree that names them, so whatever dies when, a tree that is there is whole. Digests are checked when read.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ml_intern.core import confined
from ml_intern.core.collecting import Bounds, Entry, walk
from ml_intern.core.errors import ConfigError, JournalError, ToolError
from ml_intern.journal.tree import Kept, Tree, decode, encode

BOUNDS = Bounds(names=20_000, depth=32, files=10_000, file=64 << 20, total=512 << 20)
"""Of one snapshot; what is beyond is left out and said so."""
DIGEST = 16
"""Characters of a digest that name a snapshot on the command line."""
STORE = 4 << 30
"""Bytes that the contents of one run may take."""
_SETTLED = 1_000_000_000
"""Nanoseconds after which an unchanged time of change means unchanged content: file systems count in coarse steps."""
_STALE = 3600.0
"""Seconds after which a draft belongs to nobody who still writes."""

_Mark = tuple[int, int, int, int, int]


@dataclass(slots=True, kw_only=True)
class _Draft:
    """A tree that grows; `total` counts bytes."""

    files: dict[str, Kept] = field(default_factory=dict[str, Kept])
    links: dict[str, str] = field(default_factory=dict[str, str])
    folders: list[str] = field(default_factory=list[str])
    left: dict[str, str] = field(default_factory=dict[str, str])
    total: int = 0


class Snapshots:
    """The store in `root`. One that is kept open remembers what it has seen, so that what is unchanged costs a stat.

    The memory goes by device, inode, size and both times; code inside can set one of the times only.
    """

    def __init__(
        self, root: Path, *, bounds: Bounds = BOUNDS, store: int = STORE, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self._root = root
        self._bounds = bounds
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[_Mark, Kept]] = {}
        self._size: int | None = None

    def take(self, workspace: Path) -> str:
        """Store what `workspace` holds and give the digest of the tree.

        Raises:
            JournalError: the workspace is gone, or the disk refuses.
        """
        try:
            self._prepare()
            draft = _Draft()
            for found in walk(workspace, self._bounds):
                if isinstance(found, Entry):
                    self._add(draft, found)
                else:
                    draft.left[found.name] = found.reason
            tree = Tree(files=draft.files, links=draft.links, folders=tuple(draft.folders), left=draft.left)
            self._known = {name: known for name, known in self._known.items() if name in tree.files}
            return self._keep(tree)
        except (OSError, ToolError) as error:
            raise JournalError(f"no snapshot of {workspace} can be kept: {error}; free some disk space") from error

    def tree(self, digest: str) -> Tree:
        """Give a tree.

        Raises:
            JournalError: it is not there or damaged.
        """
        try:
            return decode((self._root / "trees" / digest).read_bytes(), digest)
        except OSError as error:
            raise JournalError(f"the snapshot {digest[:12]} is gone: {error}") from error

    def content(self, digest: str) -> bytes:
        """Give the content that has this SHA-256.

        Raises:
            JournalError: it is not there or damaged.
        """
        try:
            content = self._object(digest).read_bytes()
        except OSError as error:
            raise JournalError(f"the content {digest[:12]} of a snapshot is gone: {error}") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise JournalError(f"the content {digest[:12]} of a snapshot is damaged")
        return content

    def find(self, prefix: str) -> str:
        """Give the digest of the one tree that begins with `prefix`.

        Raises:
            ConfigError: none or several do.
        """
        folder = self._root / "trees"
        found = sorted(p.name for p in folder.iterdir() if p.name.startswith(prefix)) if folder.is_dir() else []
        if len(found) != 1 or len(prefix) < DIGEST:
            raise ConfigError(f"no single snapshot begins with {prefix!r}; give {DIGEST} characters of its digest")
        return found[0]

    def _prepare(self) -> None:
        for name in ("objects", "trees", "drafts"):
            (self._root / name).mkdir(parents=True, exist_ok=True)
        if self._size is None:
            self._size = sum(path.stat().st_size for path in (self._root / "objects").glob("*/*"))
            for draft in (self._root / "drafts").iterdir():
                if time.time() - draft.stat().st_mtime > _STALE:
                    draft.unlink(missing_ok=True)

    def _add(self, draft: _Draft, entry: Entry) -> None:
        match entry.kind:
            case "folder":
                draft.folders.append(entry.name)
            case "link":
                with suppress(OSError):  # it went away while we looked
                    draft.links[entry.name] = os.readlink(entry.last, dir_fd=entry.place)
            case "file":
                self._add_file(draft, entry)
            case "other":
                draft.left[entry.name] = "no ordinary file"

    def _add_file(self, draft: _Draft, entry: Entry) -> None:
        room = min(self._bounds.file, self._bounds.total - draft.total)
        if len(draft.files) >= self._bounds.files or entry.status.st_size > room:
            draft.left[entry.name] = f"too much for a snapshot ({entry.status.st_size} bytes)"
            return
        try:
            kept = self._unchanged(entry) or self._read(entry, room)
        except ToolError as error:
            draft.left[entry.name] = str(error)
        except FileNotFoundError:  # it went away while we looked
            return
        else:
            draft.files[entry.name] = kept
            draft.total += kept.size

    def _unchanged(self, entry: Entry) -> Kept | None:
        mark, kept = self._known.get(entry.name, (None, None))
        return kept if mark == _mark(entry.status) else None

    def _read(self, entry: Entry, room: int) -> Kept:
        draft = self._new_draft()
        with ExitStack() as stack:
            stack.callback(draft.unlink, missing_ok=True)
            try:
                file = stack.enter_context(confined.file_in(entry.place, entry.last))
            except FileNotFoundError:
                raise
            except OSError as error:
                raise ToolError(f"it cannot be read ({error.strerror})") from error
            status = os.fstat(file)
            copied = confined.copy(file, draft, limit=min(room, self._store - (self._size or 0)))
            self._settle(draft, self._object(copied.digest), copied.size)
        kept = Kept(digest=copied.digest, size=copied.size, executable=bool(status.st_mode & 0o100))
        if self._clock() - status.st_ctime_ns > _SETTLED:
            self._known[entry.name] = (_mark(status), kept)
        return kept

    def _settle(self, draft: Path, place: Path, size: int) -> None:
        """Move a draft to its place, unless it is there; one cut short by a loss of power is replaced."""
        if place.exists() and place.stat().st_size == size:
            return
        place.parent.mkdir(exist_ok=True)
        draft.replace(place)
        self._size = (self._size or 0) + size

    def _keep(self, tree: Tree) -> str:
        data, place = encode(tree), self._root / "trees" / tree.digest
        if not (place.exists() and place.stat().st_size == len(data)):
            draft = self._new_draft()
            draft.write_bytes(data)
            draft.replace(place)
        return place.name

    def _new_draft(self) -> Path:
        return self._root / "drafts" / secrets.token_hex(8)

    def _object(self, digest: str) -> Path:
        return self._root / "objects" / digest[:2] / digest[2:]


def _mark(status: os.stat_result) -> _Mark:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
