"""Have torch imported by the time the host lets a held script begin. Runs inside the sandbox.

Nothing of the script's is imported or run before. Where a file of it has the name of a module that would be found
elsewhere too, nothing is imported ahead: the script must find its own.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

AHEAD = ("torch", "torch._dynamo")
"""The second is what the first optimizer loads, which takes longer than the first."""


def wait():
    """Import what nearly every script needs, and wait for the end of standard input."""
    with contextlib.suppress(Exception):  # the script meets the same fault, where somebody can see it
        import_ahead(Path.cwd())
    while os.read(0, 1 << 16):
        pass


def import_ahead(own):
    """Import from everywhere but the script's own folder."""
    whole, rest = sys.path[:], [entry for entry in sys.path if entry and Path(entry) != own]
    if any(PathFinder.find_spec(name, rest) for name in {file.stem for file in own.iterdir()}):
        return
    sys.path[:] = rest
    gc.disable()  # all of it stays: a sixth of the time would go into searching it for cycles
    try:
        for name in AHEAD:
            importlib.import_module(name)
    finally:
        sys.path[:] = whole
        gc.enable()
