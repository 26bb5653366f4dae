"""Read and write files below a folder that the sandbox can write to, without ever following a link out of it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from ml_intern.core.errors import ToolError

Kind: TypeAlias = Literal["file", "folder", "link", "other"]

_CHUNK = 1 << 20
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_FOLDER = os.O_RDONLY | os.O_DIRECTORY


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """The bytes that a copy really wrote: their number and SHA-256, whatever the source is by now."""

    size: int
    digest: str


@contextmanager
def opened(root: Path, name: str) -> Generator[int]:
    """Open the ordinary file `name` below `root` for reading.

    Folder by folder, because code in the sandbox may put a link in the place of a folder at any moment. A file with
    a second name is refused: that name may lie outside.

    Raises:
        ToolError: it is missing, not an ordinary file, or reached through a link.
    """
    folders, last = _parts(name)
    with ExitStack() as stack:
        try:
            place = _walk(stack, root, folders, create=False)
            file = stack.enter_context(file_in(place, last))
        except FileNotFoundError as error:
            raise ToolError(f"{name} does not exist") from error
        except OSError as error:
            raise ToolError(f"{name} cannot be opened ({error.strerror}); links are not followed") from error
        yield file


@contextmanager
def file_in(place: int, last: str) -> Generator[int]:
    """Open the ordinary file `last` of the open folder `place`.

    Raises:
        OSError: it is missing or a link.
        ToolError: it is no ordinary file with one name.
    """
    with ExitStack() as stack:
        file = _open(stack, last, _FILE, place)
        status = os.fstat(file)  # of what was opened, whatever has the name by now
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise ToolError(f"{last} is not an ordinary file with one name")
        yield file


@contextmanager
def folder(root: Path, name: str = ".") -> Generator[int]:
    """Open the folder `name` below `root`.

    Raises:
        ToolError: it is missing, no folder, or reached through a link.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ToolError(f"{name!r} is outside; give a path inside, such as 'results'")
    with ExitStack() as stack:
        try:
            place = _walk(stack, root, path.parts, create=False)
        except OSError as error:
            raise ToolError(f"{name} is no folder here ({error.strerror}); links are not followed") from error
        yield place


def kind(root: Path, name: str) -> Kind | None:
    """Say what has the name `name` below `root`; None if nothing has, or a folder on the way is a link."""
    try:
        above, last = _parts(name)
        with folder(root, str(PurePosixPath(*above))) as place:
            mode = os.stat(last, dir_fd=place, follow_symlinks=False).st_mode
    except (OSError, ToolError):
        return None
    return kind_of(mode)


def kind_of(mode: int) -> Kind:
    """Name the kind of file that `mode` of a status says."""
    named: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    return named.get(stat.S_IFMT(mode), "other")


def read_bytes(root: Path, name: str, *, limit: int) -> bytes:
    """Read the file `name` below `root`.

    Raises:
        ToolError: as `opened`, or it has more than `limit` bytes.
    """
    with opened(root, name) as file, os.fdopen(os.dup(file), "rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise ToolError(f"{name} has more than {limit} bytes")
    return content


def write_bytes(root: Path, name: str, content: bytes, *, executable: bool = False) -> None:
    """Write the file `name` below `root` as a whole, with the folders it needs; what stood there is replaced.

    Raises:
        ToolError: the name leads outside, through a link, or onto a folder; or the disk is full.
    """
    folders, last = _parts(name)
    partial = f".{last[:200]}.partial"
    with ExitStack() as stack:
        try:
            place = _walk(stack, root, folders, create=True)
            # A new file under a new name: an old partial or a link in its place is removed, never written through.
            remove_in(place, partial)
            mode = 0o755 if executable else 0o644
            file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode, dir_fd=place)
            with os.fdopen(file, "wb") as stream:
                _give(file, place)
                stream.write(content)
            os.rename(partial, last, src_dir_fd=place, dst_dir_fd=place)
        except OSError as error:
            raise ToolError(f"{name} cannot be written ({error.strerror}); links are not followed") from error


def copy(source: int, destination: Path, *, limit: int) -> Copied:
    """Copy an open file to `destination`, which must not exist and is gone again if this fails.

    Raises:
        ToolError: there is more than `limit` bytes; it may grow while it is read.
        OSError: the disk is full, or `destination` exists.
    """
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.dup(source), "rb") as reader, destination.open("xb") as writer:
        try:
            while chunk := reader.read(_CHUNK):
                size += len(chunk)
                if size > limit:
                    raise ToolError(f"it has more than {limit} bytes")
                digest.update(chunk)
                writer.write(chunk)
        except BaseException:
            destination.unlink()
            raise
    return Copied(size=size, digest=digest.hexdigest())


def write_link(root: Path, name: str, target: str) -> None:
    """Put a link at `name` below `root`, where nothing is; nothing is asked of its target.

    Raises:
        ToolError: something has the name, or the name leads outside or through a link.
    """
    folders, last = _parts(name)
    with ExitStack() as stack:
        try:
            place = _walk(stack, root, folders, create=True)
            os.symlink(target, last, dir_fd=place)
            if os.geteuid() == 0:
                around = os.fstat(place)
                os.chown(last, around.st_uid, around.st_gid, dir_fd=place, follow_symlinks=False)
        except OSError as error:
            raise ToolError(f"{name} cannot be made ({error.strerror})") from error


def make_folder(root: Path, name: str) -> None:
    """Make the folder `name` below `root`, and those above it, unless it is there.

    Raises:
        ToolError: something else has its name, or it leads outside or through a link.
    """
    folders, last = _parts(name)
    with ExitStack() as stack:
        try:
            _walk(stack, root, (*folders, last), create=True)
        except OSError as error:
            raise ToolError(f"{name} cannot be made ({error.strerror})") from error


def remove(root: Path, name: str) -> None:
    """Remove the file, link or empty folder `name` below `root`.

    Raises:
        ToolError: it is missing, not empty, or reached through a link.
    """
    above, last = _parts(name)
    with folder(root, str(PurePosixPath(*above))) as place:
        try:
            if kind_of(os.stat(last, dir_fd=place, follow_symlinks=False).st_mode) == "folder":
                os.rmdir(last, dir_fd=place)
            else:
                os.unlink(last, dir_fd=place)
        except OSError as error:
            raise ToolError(f"{name} cannot be removed ({error.strerror})") from error


def remove_in(place: int, name: str) -> None:
    """Remove the file or link `name` of the open folder `place`, if there is one."""
    try:
        os.unlink(name, dir_fd=place)
    except FileNotFoundError:
        return


def _parts(name: str) -> tuple[tuple[str, ...], str]:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise ToolError(f"{name!r} is outside; give a path inside, such as 'network.py'")
    return path.parts[:-1], path.parts[-1]


def _walk(stack: ExitStack, root: Path, folders: tuple[str, ...], *, create: bool) -> int:
    place = _open(stack, str(root), _FOLDER, None)
    for name in folders:
        place = _enter(stack, name, place, create=create)
    return place


def _open(stack: ExitStack, name: str, flags: int, place: int | None) -> int:
    descriptor = os.open(name, flags | os.O_CLOEXEC | (os.O_NOFOLLOW if place is not None else 0), dir_fd=place)
    stack.callback(os.close, descriptor)
    return descriptor


def _enter(stack: ExitStack, name: str, place: int, *, create: bool) -> int:
    try:
        return _open(stack, name, _FOLDER, place)
    except FileNotFoundError:
        if not create:
            raise
    os.mkdir(name, 0o755, dir_fd=place)
    made = _open(stack, name, _FOLDER, place)
    _give(made, place)
    return made


def _give(made: int, place: int) -> None:
    """Let the code inside change what was made for it: as root, hand it to the owner of the folder around it."""
    if os.geteuid() == 0:
        around = os.fstat(place)
        os.fchown(made, around.st_uid, around.st_gid)
