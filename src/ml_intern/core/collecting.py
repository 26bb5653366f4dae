"""Go through, and copy from, a folder that hostile code may change meanwhile: bounded, and never through a link."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath

from ml_intern.core import confined
from ml_intern.core.errors import ToolError
from ml_intern.core.neutral import one_line

LONGEST_NAME = 200
_SHOWN = 200
"""Characters of a refused name that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a walk goes; `file` and `total` in bytes, `names` counts everything that was looked at."""

    names: int = 20_000
    depth: int = 16
    files: int = 2_000
    file: int = 2 << 30
    total: int = 8 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What has a name. `place` is its open folder, valid until the walk is asked for the next entry."""

    name: str
    last: str
    place: int
    status: os.stat_result

    @property
    def kind(self) -> confined.Kind:
        """What it was when it was looked at."""
        return confined.kind_of(self.status.st_mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What was left where it is, and why; `name` is neutral text."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A file that was copied: its name with `/` between parts, its size in bytes and its SHA-256."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a collection took and left."""

    taken: tuple[Artefact, ...]
    refused: tuple[Refused, ...]


@dataclass(slots=True, kw_only=True)
class _Walk:
    bounds: Bounds
    device: int
    names: int = 0


def walk(root: Path, bounds: Bounds, name: str = ".") -> Iterator[Entry | Refused]:
    """Give everything below `name` in `root` in the order of names, folders before what they hold.

    Nothing is opened but folders, one for each level. What lies on another file system is refused.

    Raises:
        ToolError: the folder is missing or reached through a link.
    """
    with confined.folder(root, name) as place:
        state = _Walk(bounds=bounds, device=os.fstat(place).st_dev)
        yield from _below(place, "", state, depth=1)


def _below(place: int, above: str, state: _Walk, *, depth: int) -> Iterator[Entry | Refused]:
    for last in _names(place, state):
        if last is None:
            yield Refused(name=shown(above) or ".", reason=f"more than {state.bounds.names} names in all")
            return
        name = f"{above}/{last}" if above else last
        found = _looked_at(place, name, last, state.device)
        yield found
        if isinstance(found, Entry) and found.kind == "folder":
            yield from _inside(place, name, state, depth=depth)


def _inside(place: int, name: str, state: _Walk, *, depth: int) -> Iterator[Entry | Refused]:
    if depth >= state.bounds.depth:
        yield Refused(name=shown(name), reason=f"deeper than {state.bounds.depth} folders")
        return
    last = PurePosixPath(name).name
    try:
        inner = os.open(last, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
    except OSError as error:
        yield Refused(name=shown(name), reason=f"cannot be opened ({error.strerror})")
        return
    try:
        yield from _below(inner, name, state, depth=depth + 1)
    finally:
        os.close(inner)


def _names(place: int, state: _Walk) -> Iterator[str | None]:
    """Give the sorted names of a folder, then None where there are too many: a folder may hold millions."""
    room = state.bounds.names - state.names
    with os.scandir(place) as entries:
        found = [entry.name for entry in islice(entries, room + 1)]
    state.names += len(found)
    yield from sorted(found[:room])
    if len(found) > room:
        yield None


def _looked_at(place: int, name: str, last: str, device: int) -> Entry | Refused:
    try:
        status = os.stat(last, dir_fd=place, follow_symlinks=False)
    except OSError as error:
        return Refused(name=shown(name), reason=str(error.strerror))
    if status.st_dev != device:
        return Refused(name=shown(name), reason="on another file system")
    return Entry(name=name, last=last, place=place, status=status)


def shown(name: str) -> str:
    """Give a name from the sandbox as it may be shown."""
    return one_line(name, _SHOWN)


def is_safe(last: str) -> bool:
    """Whether a name of one file is harmless on the person's disk: visible, no option, not hidden, not too long."""
    return (
        last.isprintable()
        and last[0] not in ".-~ "
        and last[-1] not in " ."
        and not set(last) & set('\\/:*?"<>|')
        and len(last.encode()) <= LONGEST_NAME
        and one_line(last, _SHOWN) == last
    )


@dataclass(slots=True, kw_only=True)
class _Collector:
    into: Path
    bounds: Bounds
    wants: Callable[[str], bool]
    total: int = 0
    taken: list[Artefact] = field(default_factory=list[Artefact])
    refused: list[Refused] = field(default_factory=list[Refused])

    def take(self, entry: Entry) -> None:
        """Copy a file, or say why not."""
        try:
            if reason := self._objection(entry):
                raise ToolError(reason)
            file = self.into / entry.name
            file.parent.mkdir(parents=True, exist_ok=True)
            with confined.file_in(entry.place, entry.last) as source:
                room = min(self.bounds.file, self.bounds.total - self.total)
                copied = confined.copy(source, file, limit=room)
        except ToolError as error:
            self.refused.append(Refused(name=shown(entry.name), reason=str(error)))
        except OSError as error:
            self.refused.append(Refused(name=shown(entry.name), reason=str(error.strerror)))
        else:
            self.total += copied.size
            self.taken.append(Artefact(name=entry.name, size=copied.size, digest=copied.digest))

    def _objection(self, entry: Entry) -> str | None:
        if entry.kind != "file":
            return "a link" if entry.kind == "link" else "no ordinary file"
        if not all(is_safe(part) for part in PurePosixPath(entry.name).parts):
            return "its name"
        if not self.wants(entry.name):
            return "not of a kind that is collected"
        if len(self.taken) >= self.bounds.files:
            return f"more than {self.bounds.files} files"
        if entry.status.st_size > min(self.bounds.file, self.bounds.total - self.total):
            return f"too big ({entry.status.st_size} bytes)"
        return None


def collect(
    root: Path,
    destination: Path,
    *,
    bounds: Bounds | None = None,
    wants: Callable[[str], bool] = lambda name: True,
) -> Collection:
    """Copy the ordinary files below `root` to `destination`, which must not exist and appears whole or not at all.

    Whatever runs in `root` meanwhile, each file holds bytes that were in one ordinary file below `root`, of the
    digest that is told.

    Args:
        root: folder that the sandbox wrote.
        destination: new folder.
        bounds: how much is taken at most; what is beyond is refused by name.
        wants: whether a name, with `/` between its parts, is of interest.

    Raises:
        ToolError: `root` is missing or a link, or `destination` exists or cannot be written.
    """
    limits = bounds or Bounds()
    try:
        with tempfile.TemporaryDirectory(prefix=".collect-", dir=destination.parent) as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            collector = _Collector(into=new, bounds=limits, wants=wants)
            for found in walk(root, limits):
                if isinstance(found, Refused):
                    collector.refused.append(found)
                elif found.kind != "folder":
                    collector.take(found)
            _place(new, destination)
    except OSError as error:
        raise ToolError(f"{destination} cannot be written: {error.strerror}") from error
    return Collection(taken=tuple(collector.taken), refused=tuple(collector.refused))


def _place(new: Path, destination: Path) -> None:
    """Rename, which replaces no file and no folder that holds something; an empty folder of the person's may stand."""
    if destination.is_symlink():
        raise ToolError(f"{destination} is a link; name a new folder")
    with suppress(FileNotFoundError):
        destination.rmdir()
    new.rename(destination)
