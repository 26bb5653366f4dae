"""Weights that come out of a sandbox: copied without following links, and shown to be safetensors and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import cast

from ml_intern.core.errors import ToolError

_CHUNK = 1 << 20
_LENGTH = 8
_MAX_HEADER = 100_000_000
"""Bytes a header may have, the limit of the format's own library."""


def copy_weights(source: Path, destination: Path) -> str:
    """Copy the file `source` and give the SHA-256 of the bytes written.

    Raises:
        ToolError: it is missing, a link, no ordinary file or no well-formed safetensors file.
    """
    digest = hashlib.sha256()
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ToolError(f"the weights {source.name} cannot be read ({error.strerror}); train again") from error
    with os.fdopen(descriptor, "rb") as reader, destination.open("xb") as writer:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ToolError(f"the weights {source.name} are no ordinary file; save them with safetensors")
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            writer.write(chunk)
    check_safetensors(destination)
    return digest.hexdigest()


def check_safetensors(file: Path) -> str:
    """Check the layout of `file` without reading the tensors, and give its header as text.

    Eight bytes of header length, a JSON header, and tensors that fill the rest: what loads with a pickle does not
    pass. Source: the format section of the safetensors README.

    Raises:
        ToolError: it is not laid out so.
    """
    size = file.stat().st_size
    with file.open("rb") as reader:
        length = int.from_bytes(reader.read(_LENGTH), "little")
        if size < _LENGTH or not 2 <= length <= min(size - _LENGTH, _MAX_HEADER):
            raise _malformed(file, "its header does not fit into the file")
        header = reader.read(length)
    try:
        text = header.decode("utf-8")
        entries = json.loads(text)
    except ValueError as error:
        raise _malformed(file, f"its header is no JSON: {error}") from error
    if not isinstance(entries, dict) or _end(file, cast(dict[str, object], entries)) != size - _LENGTH - length:
        raise _malformed(file, "its tensors do not fill the file")
    return text


def _end(file: Path, entries: dict[str, object]) -> int:
    """Give the byte where the last tensor ends, after checking that there is no gap."""
    end = 0
    spans = sorted(_span(file, entry) for name, entry in entries.items() if name != "__metadata__")
    for start, stop in spans:
        if start != end or stop < start:
            raise _malformed(file, "its tensors overlap or leave a gap")
        end = stop
    return end


def _span(file: Path, entry: object) -> tuple[int, int]:
    match entry:
        case {"data_offsets": [int(start), int(stop)]}:
            return start, stop
        case _:
            raise _malformed(file, "a tensor has no place in it")


def _malformed(file: Path, why: str) -> ToolError:
    return ToolError(f"{file.name} is no safetensors file: {why}. Save the weights with safetensors.torch.save_model")
