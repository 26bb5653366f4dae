"""Describe an exception of the user's code: its name and text, and the frames that are theirs.

Loaded into the process of the user's code under a private name.
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
import traceback

_TEXT = 4096
_TRACE = 20_000
_FRAMES = 20
_NO_INPUT = "EOFError: EOF when reading a line"
_OWN = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - as in _worker_cells.py
_LIBRARIES = tuple({*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, _OWN})


def remember(name: str, code: str) -> None:
    """Let tracebacks show the lines of `code`, which was compiled under `name`."""
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)


def describe(error: BaseException) -> dict[str, object]:
    """Name the exception and show the frames of the user's code, with the innermost of a library's."""
    try:
        report = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
        _prune(report)
        text = "".join(report.format())
        message = "".join(report.format_exception_only()).strip().splitlines()[-1]
    except Exception as broken:  # noqa: BLE001 - __str__ of the user's exception may raise anything
        return {"error": f"{type(error).__name__}: (its text cannot be shown: {type(broken).__name__})"}
    if isinstance(error, EOFError) and message == _NO_INPUT:
        message += " (nobody answers input() here: set the value in the code)"
    text = text if len(text) <= _TRACE else "…" + text[-_TRACE:]
    explained = sys.modules.get("ml_intern_explained")  # of the guard, where it is mounted
    return {"error": message[:_TEXT], "traceback": text + (explained.block(error) if explained is not None else "")}


def _prune(report: traceback.TracebackException | None, depth: int = 0) -> None:
    if report is None or depth > _FRAMES:
        return
    frames = [frame for frame in report.stack if not frame.filename.startswith((_OWN, "<frozen "))]
    kept = [frame for frame in frames[:-1] if not frame.filename.startswith(_LIBRARIES)] + frames[-1:]
    half = _FRAMES // 2
    kept = kept if len(kept) <= _FRAMES else kept[:half] + kept[-half:]
    report.stack = traceback.StackSummary.from_list(kept)
    _prune(report.__cause__, depth + 1)
    _prune(report.__context__, depth + 1)
