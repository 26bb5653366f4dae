"""What may leave this machine: files of a few known kinds, without anything that looks like a key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ml_intern.config import Secret
from ml_intern.core.errors import ToolError
from ml_intern.core.safetensors import check_weights
from ml_intern.publishing.bundle import file_names

_SUFFIXES = frozenset({".safetensors", ".json", ".md", ".py"})
_ATTRIBUTES = ".gitattributes"
_KEY = re.compile(
    r"hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|AKIA[0-9A-Z]{16}"
    r"|AIza[\w-]{35}|xox[abprs]-[\w-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)


def screen(folder: Path, *, secrets: Sequence[Secret] = ()) -> list[str]:
    """Name the files of `folder`, after checking that each may be published.

    Raises:
        ToolError: a file is of a kind that is not published, or seems to hold a key; the key itself is not repeated.
    """
    names = file_names(folder)
    for name in names:
        if PurePosixPath(name).suffix not in _SUFFIXES and name != _ATTRIBUTES:
            allowed = ", ".join(sorted(_SUFFIXES))
            raise ToolError(f"{name} is not published: only {allowed} files are. Remove it from the bundle.")
        text = _text(folder / name)
        text += text.replace("\\", "")  # a key that the card shows escaped is still a key
        if _KEY.search(text) or any(secret.reveal() in text for secret in secrets):
            raise ToolError(f"{name} seems to contain a secret key; remove it from the source and evaluate again")
    return names


def _text(file: Path) -> str:
    """Give what a person could have written in `file`: of weights only the header."""
    if file.suffix == ".safetensors":
        return check_weights(file.parent, file.name).header
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ToolError(f"{file.name} is no UTF-8 text; write it again as plain text") from error
