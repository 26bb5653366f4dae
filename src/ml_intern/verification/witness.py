"""The data witness: which files of `/data` a training read, and how much of them, told by the kernel.

Each training gets a copy of the parts for itself. Whatever happens to these files, that training did it: openings and
reads are counted by inotify in process 1 of the sandbox, and the pages that came into memory are counted here by
`cachestat` (Linux 6.5) on files that were put out of memory before. The process that is watched takes part in neither.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast

from ml_intern.core.facts import FileRead
from ml_intern.core.sandbox import Observed

INSIDE = "/data"
NEEDED = "search.parquet"
LEAST = 0.5
"""Share of the pages of `search.parquet` that a training on it must have brought into memory."""

_CACHESTAT = 451
_PAGE = 4096


def observed(data: Path | None) -> tuple[str, ...]:
    """Name the files to watch, as the inside sees them."""
    return tuple(f"{INSIDE}/{file.name}" for file in _files(data)) if data is not None else ()


def lay_out(data: Path, call: Path) -> Path:
    """Give the call's own copy of the parts, out of memory; made once, also over a crash.

    A call that was begun without one, by an older version, goes on with what it has.
    """
    copy = call / "data"
    if copy.is_dir():
        return copy
    if (call / "job" / "claim.json").exists():
        return data
    partial = call / f"data.{os.getpid()}"
    partial.mkdir(parents=True, exist_ok=True)
    known = {file.name: _put_down(file, partial / file.name) for file in _files(data)}
    _note(call / "witness.json", {"can_tell": all(known.values())})
    partial.rename(copy)
    return copy


def testify(call: Path, counted: Mapping[str, Observed]) -> tuple[FileRead, ...]:
    """Say what was read, once, and remove the copy; later calls repeat what was said."""
    note = call / "witness.json"
    if not note.exists():
        return ()
    known = cast("dict[str, object]", json.loads(note.read_text("utf-8")))
    if (said := known.get("read")) is not None:
        return tuple(FileRead(**entry) for entry in cast("list[dict[str, object]]", said))  # type: ignore[arg-type]
    seen = tuple(_seen(file, counted, can_tell=bool(known["can_tell"])) for file in _files(call / "data"))
    _note(note, {**known, "read": [asdict(entry) for entry in seen]})
    put_away(call)
    return seen


def put_away(call: Path) -> None:
    """Remove the call's copy of the parts."""
    shutil.rmtree(call / "data", ignore_errors=True)


def problem(read: Sequence[FileRead]) -> str:
    """Say why a training did not train on the data it was given; empty where it did, or nobody can tell."""
    needed = next((file for file in read if file.name == NEEDED), None)
    if needed is None:
        return ""
    is_untouched = needed.covered == 0 if needed.opened is None else needed.opened == 0
    if is_untouched:
        return (
            f"The script never opened {INSIDE}/{NEEDED} (the kernel saw no process do it), so whatever it trained on "
            "was not the prepared data. Load it in the script; let a failed load fail, and make up no data."
        )
    if needed.covered is not None and needed.covered < LEAST:
        return (
            f"The script read at most {needed.covered:.0%} of {INSIDE}/{NEEDED}, so it did not train on the prepared "
            "data. Train on all of search."
        )
    return ""


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.parquet") if file.is_file())


def _put_down(source: Path, target: Path) -> bool:
    """Copy a file and put it out of memory; tells whether the kernel can say that it is."""
    with source.open("rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())  # only clean pages can be put out
    target.chmod(0o644)
    with target.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return _pages(target) == 0


def _seen(file: Path, counted: Mapping[str, Observed], *, can_tell: bool) -> FileRead:
    counts = counted.get(f"{INSIDE}/{file.name}")
    size = file.stat().st_size
    pages = _pages(file) if can_tell else None
    covered = None if pages is None else min(1.0, pages / max(1, -(-size // _PAGE)))
    opened, read = (counts.opened, counts.read) if counts else (None, None)
    return FileRead(name=file.name, bytes=size, opened=opened, read=read, covered=covered)


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _Statistics(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("cached", "dirty", "writeback", "evicted", "recently"))


def _pages(file: Path) -> int | None:
    """Count pages of 4,096 bytes that are in memory, or were until memory ran short; None where nobody can tell."""
    if not hasattr(os, "posix_fadvise") or os.sysconf("SC_PAGESIZE") != _PAGE:
        return None
    call = ctypes.CDLL(None, use_errno=True).syscall
    found = _Statistics()
    with file.open("rb") as stream:
        whole = _Range(0, 0)  # a length of 0 means to the end
        done = call(_CACHESTAT, stream.fileno(), ctypes.byref(whole), ctypes.byref(found), 0)
    return int(found.cached + found.evicted) if done == 0 else None


def _note(file: Path, content: Mapping[str, object]) -> None:
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(content), "utf-8")
    draft.replace(file)
