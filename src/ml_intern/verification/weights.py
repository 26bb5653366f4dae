"""Check a safetensors file by its header alone: no tensor is loaded and nothing of it is executed.

Format: 8 bytes little-endian length, that many bytes of JSON, then the tensors without a gap
(github.com/huggingface/safetensors, "Format").
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ml_intern.core.errors import ToolError
from ml_intern.verification import confined

MAX_HEADER = 25_000_000
"""Bytes; the library's own limit is 100 MB."""

_BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32,
    "F64": 64, "I64": 64, "U64": 64, "C64": 64,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """A file whose header is sound. `size` in bytes, `elements` over all tensors, `digest` is its SHA-256."""

    digest: str
    size: int
    tensors: int
    elements: int


def check_weights(folder: Path, name: str) -> WeightsFile:
    """Check the header of `name` in `folder` and digest the file.

    Raises:
        ToolError: it is missing, a link, or no sound safetensors file; the message says what is wrong.
    """
    with confined.opened(folder, name) as file:
        size = os.fstat(file).st_size
        with os.fdopen(os.dup(file), "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or not 2 <= length <= min(MAX_HEADER, size - 8):
                raise ToolError(f"{name} is no safetensors file: its header cannot have {length} bytes; {_WAY}")
            shapes = _tensors(name, stream.read(length), size - 8 - length)
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return WeightsFile(digest=digest, size=size, tensors=len(shapes), elements=sum(map(math.prod, shapes)))


_WAY = "write it with safetensors.torch.save_model(network, '/output/model.safetensors')"


def _tensors(name: str, header: bytes, data: int) -> list[tuple[int, ...]]:
    """Give the shapes; the tensors must cover the `data` bytes after the header exactly."""
    try:
        entries: object = json.loads(header, object_pairs_hook=_unique)
        if not isinstance(entries, dict):
            raise ValueError("it is no object")
        named = cast("dict[str, object]", entries)
        found = [_tensor(key, entry) for key, entry in named.items() if key != "__metadata__"]
    except (ValueError, RecursionError) as error:
        raise ToolError(f"{name} has a broken header: {error}; {_WAY}") from error
    end = 0
    for first, last, _ in sorted(found):
        if first != end:
            raise ToolError(f"{name} has a broken header: a gap or overlap at byte {end}; {_WAY}")
        end = last
    if end != data:
        raise ToolError(f"{name} is cut off or too long: {data} bytes of tensors, {end} announced; {_WAY}")
    if not found:
        raise ToolError(f"{name} holds no tensor; {_WAY}")
    return [shape for _, _, shape in found]


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name stands twice")
    return entries


def _tensor(key: str, entry: object) -> tuple[int, int, tuple[int, ...]]:
    """Give first byte, end and shape of one entry."""
    match cast("dict[str, object]", entry) if isinstance(entry, dict) else {}:
        case {"dtype": str(kind), "shape": shape, "data_offsets": [int(first), int(last)]} if kind in _BITS:
            sizes = _sizes(shape)
            if sizes is not None and 0 <= first <= last and (last - first) * 8 == math.prod(sizes) * _BITS[kind]:
                return first, last, sizes
        case _:
            pass
    raise ValueError(f"the entry of {key[:80]!r} is not sound")


def _sizes(shape: object) -> tuple[int, ...] | None:
    given = cast("list[object]", shape) if isinstance(shape, list) else [None]
    sizes = tuple(n for n in given if isinstance(n, int) and 0 <= n < 1 << 48)
    return sizes if len(sizes) == len(given) else None
