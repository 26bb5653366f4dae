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
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ml_intern.core import confined
from ml_intern.core.errors import ToolError
from ml_intern.core.neutral import one_line

MAX_HEADER = 25_000_000
"""Bytes; the library's own limit is 100 MB."""

MAX_DIMENSIONS = 64
"""As many as PyTorch has; the product over millions of them would take for ever."""

_BITS: Mapping[str, int] = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "F64": 64, "I64": 64, "U64": 64, "C64": 64,
}  # fmt: skip


_WAY = "write it with safetensors.torch.save_model(network, '/output/model.safetensors')"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """A file whose header is sound. `size` in bytes, `elements` over all tensors, `digest` is its SHA-256.

    `header` is the JSON as it stands in the file: names and metadata are words that somebody chose.
    """

    digest: str
    size: int
    tensors: int
    elements: int
    header: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A sound entry of a header: type by the format's name, shape, and its bytes `first` to `last` after the header."""

    dtype: str
    shape: tuple[int, ...]
    first: int
    last: int


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
            header = stream.read(length)
            found = _covering(name, header, size - 8 - length)
            stream.seek(0)
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    elements = sum(math.prod(tensor.shape) for tensor in found)
    return WeightsFile(digest=digest, size=size, tensors=len(found), elements=elements, header=header.decode())


def _covering(name: str, header: bytes, data: int) -> list[Tensor]:
    """Give the tensors; they must cover the `data` bytes after the header exactly."""
    try:
        found = tensors_of(header)
    except ValueError as error:
        raise ToolError(f"{name} is no safetensors file: {error}; {_WAY}") from error
    end = 0
    for first, last in sorted((tensor.first, tensor.last) for tensor in found):
        if first != end:
            raise ToolError(f"{name} is no safetensors file: there is a gap or overlap at byte {end}; {_WAY}")
        end = last
    if end != data or not found:
        told = f"{data} bytes for {len(found)} tensors of {end}"
        raise ToolError(f"{name} is no safetensors file, or cut off: {told}; {_WAY}")
    return found


def tensors_of(header: bytes) -> list[Tensor]:
    """Give the tensors that a header names, in its order.

    Raises:
        ValueError: it is no sound header; the message says why.
    """
    # decoded first: json would also take UTF-16, which the library would not
    try:
        entries: object = json.loads(header.decode("utf-8"), object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError(str(error)) from error
    if not isinstance(entries, dict):
        raise ValueError("it is no object")
    named = cast("dict[str, object]", entries)
    metadata = named.pop("__metadata__", {})
    words = cast("dict[str, object]", metadata).values() if isinstance(metadata, dict) else (None,)
    if not all(isinstance(word, str) for word in words):
        raise ValueError("its metadata are not words by name")
    return [_tensor(key, entry) for key, entry in named.items()]


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name stands twice")
    return entries


def _tensor(key: str, entry: object) -> Tensor:
    match cast("dict[str, object]", entry) if isinstance(entry, dict) else {}:
        case {"dtype": str(kind), "shape": shape, "data_offsets": [int(first), int(last)]} if kind in _BITS:
            sizes = _sizes(shape)
            if sizes is not None and 0 <= first <= last and (last - first) * 8 == math.prod(sizes) * _BITS[kind]:
                return Tensor(dtype=kind, shape=sizes, first=first, last=last)
        case _:
            pass
    raise ValueError(f"the entry of {one_line(repr(key), 80)} is not sound")


def _sizes(shape: object) -> tuple[int, ...] | None:
    given = cast("list[object]", shape) if isinstance(shape, list) else [None]
    if len(given) > MAX_DIMENSIONS:
        return None
    sizes = tuple(n for n in given if type(n) is int and 0 <= n < 1 << 48)
    return sizes if len(sizes) == len(given) else None
