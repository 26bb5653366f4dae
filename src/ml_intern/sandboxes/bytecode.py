"""Bytecode of our own programs, made once by the Python that runs them inside, beside their sources.

A sandbox sees its programs read-only and would compile them anew in every job. The bytecode carries a digest of its
source: one that has changed since is compiled again, so that nothing stale is ever run. Source: PEP 552.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ml_intern.sandboxes import engine as engines
from ml_intern.sandboxes import wheelhouse as wheels

_COMPILE = ("-I", "-m", "compileall", "-q", "--invalidation-mode", "checked-hash")


def compile_by(python: Path, folders: Sequence[Path]) -> None:
    """Let an interpreter of this machine compile what lies below `folders`.

    Raises:
        SandboxError: it cannot, for example because another user installed them.
    """
    wheels.run([str(python), *_COMPILE, *map(str, folders)], "compiling our own programs")


def compile_in(engine: str, image: str, folders: Sequence[Path]) -> None:
    """Let the interpreter of an image do it, without network and as this user.

    Raises:
        SandboxError: it cannot.
    """
    places = [f"/programs/{number}" for number, _ in enumerate(folders)]
    mounts = [f"--volume={folder}:{place}" for folder, place in zip(folders, places, strict=True)]
    user = f"--user={os.getuid()}:{os.getgid()}"
    argv = ("run", "--rm", "--network", "none", user, *mounts, image, *_COMPILE, *places)
    engines.ask(engine, *argv, timeout=300.0)
