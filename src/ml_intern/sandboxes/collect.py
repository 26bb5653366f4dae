"""Take files out of a folder that untrusted code could write, trusting nothing about them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
import struct
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from ml_intern.core.errors import ToolError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 1 << 20
_LONGEST_HEADER = 100_000_000
"""Bytes; the limit of the safetensors library itself."""
_ITEM_SIZES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8, "C64": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """A file that was copied; `size` in bytes, `digest` its SHA-256 in hexadecimal."""

    name: str
    path: Path
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorHeader:
    """What a safetensors file says of one tensor."""

    name: str
    dtype: str
    shape: tuple[int, ...]


def collect(root: Path, names: Sequence[str], destination: Path, *, max_bytes: int) -> tuple[Collected, ...]:
    """Copy the files `names` (relative to `root`, `/` between folders) below `destination`, which is created.

    No link is followed at any step, also not one that appears while this runs. Copies get mode 0644; a file that
    exists there is replaced.

    Args:
        root: the folder that untrusted code could write; itself a real folder.
        names: what is wanted.
        destination: a folder that untrusted code cannot write.
        max_bytes: limit of all files together.

    Raises:
        ToolError: a file is missing, no regular file, reached through a link, hard-linked or too large.
    """
    taken: list[Collected] = []
    for name in names:
        room = max_bytes - sum(file.size for file in taken)
        with _opened(root, name) as descriptor:
            taken.append(_copy(descriptor, name, destination / name, room))
    return tuple(taken)


@contextmanager
def _opened(root: Path, name: str) -> Generator[int]:
    """Open `name` below `root` step by step, each step refusing links."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts:
        raise ToolError(f"{name!r} is no path inside the output folder")
    descriptor = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            descriptor = _step(descriptor, part, _FOLDER, name)
        descriptor = _step(descriptor, parts[-1], _FILE, name)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ToolError(f"{name} is no regular file; write a plain file there")
        if status.st_nlink != 1:
            raise ToolError(f"{name} is a hard link; write a copy instead")
        yield descriptor
    finally:
        os.close(descriptor)


def _step(folder: int, part: str, flags: int, name: str) -> int:
    """Open `part` in `folder` and close `folder`, once that worked."""
    try:
        descriptor = os.open(part, flags, dir_fd=folder)
    except FileNotFoundError as error:
        raise ToolError(f"{name} was not written") from error
    except OSError as error:  # ELOOP and ENOTDIR: a link
        raise ToolError(f"{name} cannot be taken, because {part} is a link or cannot be read: {error}") from error
    os.close(folder)
    return descriptor


def _copy(descriptor: int, name: str, target: Path, room: int) -> Collected:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    digest = hashlib.sha256()
    size = 0
    try:
        with draft.open("wb") as file:
            while chunk := os.read(descriptor, _CHUNK):
                size += len(chunk)
                if size > room:  # counted while reading: it may grow after it was looked at
                    raise ToolError(f"{name} passes the limit of bytes that are taken ({room} left)")
                digest.update(chunk)
                file.write(chunk)
        draft.chmod(0o644)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return Collected(name=name, path=target, size=size, digest=digest.hexdigest())


def check_safetensors(path: Path) -> tuple[TensorHeader, ...]:
    """Check a weights file by its header alone, without loading a tensor; give what it holds, by name.

    The format: 8 bytes little-endian length, a JSON header, then the tensors without holes
    (huggingface/safetensors, README "Format").

    Raises:
        ToolError: it is no safetensors file, is truncated, or its header does not fit its content.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
        if not 2 <= length <= min(_LONGEST_HEADER, size - 8):
            raise ToolError(f"{path.name} is no safetensors file: its header cannot be {length} bytes long")
        text = file.read(length)
    header = _parsed(text, path.name)
    spans: list[tuple[int, int]] = []
    tensors: list[TensorHeader] = []
    for name, entry in sorted(header.items()):
        tensor, span = _tensor(name, entry, path.name)
        tensors.append(tensor)
        spans.append(span)
    _check_spans(sorted(spans), size - 8 - length, path.name)
    return tuple(tensors)


def _parsed(text: bytes, file: str) -> Mapping[str, object]:
    try:
        header: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ToolError(f"{file} is no safetensors file: its header is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise ToolError(f"{file} is no safetensors file: its header is no JSON object")
    entries = cast("dict[str, object]", header)
    return {name: entry for name, entry in entries.items() if name != "__metadata__"}


def _tensor(name: str, entry: object, file: str) -> tuple[TensorHeader, tuple[int, int]]:
    fields = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    dtype, shape, span = fields.get("dtype"), _counts(fields.get("shape")), _counts(fields.get("data_offsets"))
    match dtype, shape, span:
        case str(), tuple(), (begin, end) if end - begin == math.prod(shape) * _ITEM_SIZES.get(dtype, -1):
            return TensorHeader(name=name, dtype=dtype, shape=shape), (begin, end)
        case _:
            raise ToolError(f"{file}: the header's entry for {name!r} does not describe a tensor")


def _counts(value: object) -> tuple[int, ...] | None:
    """Give a list of whole numbers from 0 on, or None where it is none."""
    if not isinstance(value, list):
        return None
    counts = tuple(item for item in cast("list[object]", value) if type(item) is int and item >= 0)
    return counts if len(counts) == len(cast("list[object]", value)) else None


def _check_spans(spans: Sequence[tuple[int, int]], size: int, file: str) -> None:
    """Refuse holes, overlaps and missing or further bytes: anything could hide there."""
    at = 0
    for begin, end in spans:
        if begin != at:
            raise ToolError(f"{file}: tensors overlap or leave a hole at byte {min(begin, at)}")
        at = end
    if at != size:
        raise ToolError(f"{file}: the header describes {at} bytes of tensors, the file holds {size}")
