"""Files the language model may name: its workspace, what trainings wrote, and what earlier calls printed."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ml_intern.core import confined
from ml_intern.core.collecting import Bounds, Entry, shown, walk
from ml_intern.core.errors import ToolError
from ml_intern.core.protocols import RunPaths
from ml_intern.verification.condense import shorten
from ml_intern.verification.unit_tests import TOOLBOX, offered

MAX_READ = 8 << 20
"""Bytes of a file that `read_text` opens."""
MAX_LOG = 80 << 20
"""The same of what a call printed, which is kept whole up to `Limits.stored`."""
MAX_WRITE = 1 << 20
SHOWN = 8000
"""Characters that `read_text` gives at most."""
_NOTE = 100
"""Of them for where the lines are in the file."""
_LISTED = 30
_SHOWN_PLACES = 8
_LOGS = ("output.log", "metrics.jsonl")
_CARD = "README.md"


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


def edit_text(paths: RunPaths, path: str, old: str, new: str) -> tuple[str, int]:
    """Replace `old` in a file of the workspace; gives its name there, and the line of the change.

    The same edit again, as after a crash, finds `new` in the place of `old` and changes nothing.

    Raises:
        ToolError: the file cannot be read, or `old` does not occur exactly once; the message says where.
    """
    name = path.removeprefix("/workspace/")
    if not old or old == new:
        raise ToolError("`old` must be some text of the file, and `new` another")
    text = confined.read_bytes(paths.workspace, name, limit=MAX_WRITE).decode("utf-8", "surrogateescape")
    places = [text.count("\n", 0, found.start()) + 1 for found in re.finditer(re.escape(old), text)]
    if len(places) > 1:
        lines = ", ".join(map(str, places[:_SHOWN_PLACES]))
        raise ToolError(f"`old` occurs {len(places)} times in {name}, at lines {lines}; add lines around the one meant")
    if not places and new and text.count(new) == 1:
        return name, text.count("\n", 0, text.index(new)) + 1
    if not places:
        raise ToolError(f"`old` is not in {name}, {_nearest(text, old)}; spaces and line ends count: see read_file")
    write_text(paths, name, text.replace(old, new))
    return name, places[0]


def _nearest(text: str, old: str) -> str:
    """Say where something like the first line of `old` stands."""
    first = next((line.strip() for line in old.splitlines() if line.strip()), "")
    rows = [line.strip() for line in text.splitlines()]
    close = difflib.get_close_matches(first, rows, n=1, cutoff=0.6)
    return f"though line {rows.index(close[0]) + 1} is like it: {close[0]!r}" if close else "nor anything like it"


def read_text(paths: RunPaths, path: str, *, start_line: int, lines: int) -> str:
    """Give some lines of a text file, with a note on where they are in it; or the names in a folder.

    Where the workspace has no `properties.py`, that is what tests may import under this name.

    Raises:
        ToolError: it does not exist, is no text, or is not for the language model to read.
    """
    root, name = _place(paths, path)
    if name == "." or confined.kind(root, name) == "folder":
        return _listing(root, name)
    try:
        data = confined.read_bytes(root, name, limit=MAX_LOG if path.startswith("calls/") else MAX_READ)
    except ToolError as error:
        if name == TOOLBOX.name and root == paths.workspace:
            return offered()
        if root == paths.root / "calls":
            raise ToolError(f"{path}: no such file is kept; what the call said is its answer") from error
        raise ToolError(f"{error}. The workspace has: {_listing(paths.workspace, '.')}") from error
    if b"\0" in data[:4096]:
        raise ToolError(f"{path} is no text; look at it with run_python")
    rows = data.decode("utf-8", "replace").splitlines()
    first = max(start_line, 1)
    wanted = rows[first - 1 : first - 1 + max(lines, 1)]
    chosen = wanted[: _fitting(wanted)]
    last = first + len(chosen) - 1
    more = f"; the next: start_line={last + 1}" if len(chosen) < len(wanted) else ""
    note = "" if len(chosen) == len(rows) else f"(lines {first}-{last} of {len(rows)}{more})\n"
    return shorten(note + "\n".join(chosen), SHOWN) or "(empty)"


def _fitting(rows: Sequence[str]) -> int:
    """Count the first rows that can be shown whole; the first is shown in any case, shortened if it must be."""
    ends = itertools.accumulate(len(row) + 1 for row in rows)
    return max(sum(end <= SHOWN - _NOTE for end in ends), 1)


def _place(paths: RunPaths, path: str) -> tuple[Path, str]:
    """Split `path` into a folder of the host and a name below it."""
    if path.startswith("/outputs/"):
        return paths.outputs, path.removeprefix("/outputs/")
    if path.startswith("calls/"):
        _, _, rest = path.partition("/")
        if rest.count("/") == 1 and rest.endswith(_LOGS):
            return paths.root / "calls", rest
        if rest.count("/") == 1 and rest.endswith(f"/{_CARD}"):
            return paths.root / "calls", f"{rest.removesuffix(_CARD)}publication/{_CARD}"
        raise ToolError(f"of a call only {', '.join(_LOGS)} and a card can be read, as in calls/ID/output.log")
    if path.startswith("/") and path.rstrip("/") != "/workspace" and not path.startswith("/workspace/"):
        raise ToolError(f"{path} is not readable here; use a path in /workspace or /outputs, or run_python")
    return paths.workspace, path.removeprefix("/workspace").strip("/") or "."


def _listing(root: Path, folder: str) -> str:
    found = [e for e in walk(root, Bounds(), folder) if isinstance(e, Entry) and e.kind == "file"]
    names = [shown(entry.name) for entry in found if not _is_hidden(entry.name)]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (", ".join(names[:_LISTED]) or "no files") + more


def _is_hidden(name: str) -> bool:
    *folders, last = PurePosixPath(name).parts
    return last.startswith(".") or any(folder.startswith((".", "__")) for folder in folders)
