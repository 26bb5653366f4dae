"""Read and write files below a folder that the sandbox can write to, without ever following a link out of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from ml_intern.core.errors import ToolError


@contextmanager
def opened(root: Path, name: str) -> Generator[int]:
    """Open the ordinary file `name` below `root` for reading.

    Folder by folder, because code in the sandbox may put a link in the place of a folder at any moment. A file with
    a second name is refused: that name may lie outside.

    Raises:
        ToolError: it is missing, not an ordinary file, or reached through a link.
    """
    with ExitStack() as stack:
        folders, last = _parts(name)
        try:
            place = _walk(stack, root, folders, create=False)
            file = _open(stack, last, os.O_RDONLY | os.O_NONBLOCK, place)
        except FileNotFoundError as error:
            raise ToolError(f"{name} does not exist") from error
        except OSError as error:
            raise ToolError(f"{name} cannot be opened ({error.strerror}); links are not followed") from error
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise ToolError(f"{name} is not an ordinary file with one name")
        yield file


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


def write_bytes(root: Path, name: str, content: bytes) -> None:
    """Write the file `name` below `root` as a whole, with the folders it needs; what stood there is replaced.

    Raises:
        ToolError: the name leads outside, through a link, or onto a folder; or the disk is full.
    """
    with ExitStack() as stack:
        folders, last = _parts(name)
        partial = f".{last[:200]}.partial"
        try:
            place = _walk(stack, root, folders, create=True)
            # A new file under a new name: an old partial or a link in its place is removed, never written through.
            _remove(partial, place)
            file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=place)
            with os.fdopen(file, "wb") as stream:
                _give(file, place)
                stream.write(content)
            os.rename(partial, last, src_dir_fd=place, dst_dir_fd=place)
        except OSError as error:
            raise ToolError(f"{name} cannot be written ({error.strerror}); links are not followed") from error


def _parts(name: str) -> tuple[tuple[str, ...], str]:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise ToolError(f"{name!r} is outside; give a path inside, such as 'network.py'")
    return path.parts[:-1], path.parts[-1]


def _walk(stack: ExitStack, root: Path, folders: tuple[str, ...], *, create: bool) -> int:
    place = _open(stack, str(root), os.O_RDONLY | os.O_DIRECTORY, None)
    for folder in folders:
        place = _enter(stack, folder, place, create=create)
    return place


def _open(stack: ExitStack, name: str, flags: int, place: int | None) -> int:
    descriptor = os.open(name, flags | os.O_CLOEXEC | (os.O_NOFOLLOW if place is not None else 0), dir_fd=place)
    stack.callback(os.close, descriptor)
    return descriptor


def _enter(stack: ExitStack, folder: str, place: int, *, create: bool) -> int:
    try:
        return _open(stack, folder, os.O_RDONLY | os.O_DIRECTORY, place)
    except FileNotFoundError:
        if not create:
            raise
    os.mkdir(folder, 0o755, dir_fd=place)
    made = _open(stack, folder, os.O_RDONLY | os.O_DIRECTORY, place)
    _give(made, place)
    return made


def _give(made: int, place: int) -> None:
    """Let the code inside change what was made for it: as root, hand it to the owner of the folder around it."""
    if os.geteuid() == 0:
        around = os.fstat(place)
        os.fchown(made, around.st_uid, around.st_gid)


def _remove(name: str, place: int) -> None:
    try:
        os.unlink(name, dir_fd=place)
    except FileNotFoundError:
        return
