"""Where the agent is root, the sandbox runs as another user: give that one what it may write and read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ml_intern.core.errors import SandboxError


def give_to(user: int, roots: Sequence[Path]) -> None:
    """Make `user` (and the group of the same number) own everything under `roots`; follows no link."""
    for root in roots:
        if not root.is_dir():
            os.chown(root, user, user, follow_symlinks=False)
            continue
        for _, folders, files, descriptor in os.fwalk(root, follow_symlinks=False):
            _own(user, ".", descriptor)
            for name in (*folders, *files):
                _own(user, name, descriptor)


def check_readable(roots: Sequence[Path]) -> None:
    """Refuse what only its owner may read.

    Raises:
        SandboxError: the sandbox, which runs as another user than root, could not read it.
    """
    for root in roots:
        needed = 0o005 if root.is_dir() else 0o004
        if root.stat().st_mode & needed != needed:
            raise SandboxError(f"{root} cannot be read by the sandbox's user; run `chmod a+rX` on it")


def _own(user: int, name: str, folder: int) -> None:
    if os.stat(name, dir_fd=folder, follow_symlinks=False).st_uid != user:
        os.chown(name, user, user, dir_fd=folder, follow_symlinks=False)
