"""Files the language model may name: its workspace, what trainings wrote, and what earlier calls printed."""

from __future__ import annotations

import os
from pathlib import Path

from ml_intern.core.errors import ToolError
from ml_intern.core.protocols import RunPaths
from ml_intern.verification import confined
from ml_intern.verification.condense import shorten

MAX_READ = 8 << 20
"""Bytes of a file that `read_text` opens."""
MAX_WRITE = 1 << 20
SHOWN = 8000
"""Characters that `read_text` gives at most."""
_LISTED = 30
_LOGS = ("output.log", "metrics.jsonl")


def write_text(paths: RunPaths, path: str, content: str) -> str:
    """Write a file of the workspace; gives its name there.

    Raises:
        ToolError: it lies outside, is too big or cannot be written.
    """
    name = path.removeprefix("/workspace/")
    data = content.encode("utf-8", "surrogateescape")
    if len(data) > MAX_WRITE:
        raise ToolError(f"{name} would be over 1 MiB; write code here, and create data by code")
    confined.write_bytes(paths.workspace, name, data)
    return name


def read_text(paths: RunPaths, path: str, *, start_line: int, lines: int) -> str:
    """Give some lines of a text file, with a note on where they are in it; or the names in a folder.

    Raises:
        ToolError: it does not exist, is no text, or is not for the language model to read.
    """
    root, name = _place(paths, path)
    if _is_folder(root, name):
        return _listing(root / name)
    try:
        data = confined.read_bytes(root, name, limit=MAX_READ)
    except ToolError as error:
        raise ToolError(f"{error}. The workspace has: {_listing(paths.workspace)}") from error
    if b"\0" in data[:4096]:
        raise ToolError(f"{path} is no text; look at it with run_python")
    rows = data.decode("utf-8", "replace").splitlines()
    first = max(start_line, 1)
    chosen = rows[first - 1 : first - 1 + max(lines, 1)]
    last = first + len(chosen) - 1
    note = "" if len(chosen) == len(rows) else f"(lines {first}-{last} of {len(rows)})\n"
    return shorten(note + "\n".join(chosen), SHOWN) or "(empty)"


def _place(paths: RunPaths, path: str) -> tuple[Path, str]:
    """Split `path` into a folder of the host and a name below it."""
    if path.startswith("/outputs/"):
        return paths.outputs, path.removeprefix("/outputs/")
    if path.startswith("calls/"):
        _, _, rest = path.partition("/")
        if rest.count("/") == 1 and rest.endswith(_LOGS):
            return paths.root / "calls", rest
        raise ToolError(f"of a call only {' and '.join(_LOGS)} can be read, as in calls/ID/output.log")
    if path.startswith("/") and path.rstrip("/") != "/workspace" and not path.startswith("/workspace/"):
        raise ToolError(f"{path} is not readable here; use a path in /workspace or /outputs, or run_python")
    return paths.workspace, path.removeprefix("/workspace").strip("/") or "."


def _is_folder(root: Path, name: str) -> bool:
    """Whether `name` is a folder reached without a link."""
    place = root
    for part in Path(name).parts:
        place /= part
        if part == ".." or place.is_symlink():
            return False
    return place.is_dir()


def _listing(folder: Path) -> str:
    found: list[str] = []
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        found.extend(str((Path(where) / name).relative_to(folder)) for name in sorted(files) if name[0] != ".")
    more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return (", ".join(found[:_LISTED]) or "no files") + more
