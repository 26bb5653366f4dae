"""Weights that come out of a sandbox: copied without following links, and shown to be safetensors and nothing else."""

from __future__ import annotations

from pathlib import Path

from ml_intern.core import confined
from ml_intern.core.errors import ToolError
from ml_intern.core.safetensors import check_weights

_LARGEST = 1 << 40


def copy_weights(source: Path, destination: Path) -> str:
    """Copy the file `source` and give the SHA-256 of the bytes written.

    Raises:
        ToolError: it is missing, a link, no ordinary file or no well-formed safetensors file.
    """
    with confined.opened(source.parent, source.name) as file:
        copied = confined.copy(file, destination, limit=_LARGEST)
    if check_weights(destination.parent, destination.name).digest != copied.digest:
        raise ToolError(f"{destination} was changed while it was written; evaluate again")
    return copied.digest
