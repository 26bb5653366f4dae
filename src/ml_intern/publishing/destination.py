"""Where a model can be published, behind one protocol: a Hub, or a folder laid out as a Hub repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import Location

_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_MAX_PARTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One revision, downloaded afresh.

    `folder` holds the files; `shown` is the folder that the card's example names where it names one; `cache` is a
    cache of the Hub's client that knows the revision as `main`, where there is a Hub.
    """

    folder: Path
    shown: Path
    cache: Path | None


class Destination(Protocol):
    """A place that keeps repositories as a row of commits.

    Every method may raise `ToolError` (the model can react) or `ConfigError` (the person must act: the token).
    """

    @property
    def location(self) -> Location:
        """The kind of place."""
        ...

    def complete(self, name: str) -> str:
        """Give `namespace/name` for what the model called the repository."""
        ...

    def folder(self, repository: str) -> Path | None:
        """Give the folder of the repository where it is one on this machine."""
        ...

    def url(self, repository: str) -> str:
        """Give an address for people."""
        ...

    def push(self, files: Path, repository: str, *, private: bool, key: str, message: str) -> str:
        """Put every file of the folder `files` into one commit that carries `key`, and give its revision.

        However often requests fail, at most one commit is made. Files that others put there stay.
        """
        ...

    def find(self, repository: str, key: str) -> str | None:
        """Give the revision whose commit carries `key`; None means that surely there is none."""
        ...

    def fetch(self, repository: str, revision: str, into: Path) -> Fetched:
        """Download `revision` into the empty or missing folder `into`.

        `revision` must still be the newest, because that is what the card speaks of.
        """
        ...


def check_repository(name: str) -> str:
    """Give `name` back where it is a valid name of a repository, with or without a namespace.

    Source: `validate_repo_id` of huggingface_hub, made a little stricter.

    Raises:
        ToolError: it is not.
    """
    parts = name.split("/")
    is_valid = len(parts) <= _MAX_PARTS and all(_PART.fullmatch(p) and "--" not in p and ".." not in p for p in parts)
    if not is_valid or name.endswith(".git"):
        raise ToolError(
            f"{name!r} is no name of a repository; use letters, digits, '-', '_' and '.', such as 'digits-mlp' or "
            "'my-account/digits-mlp', without '--' or '..'"
        )
    return name


def commit_line(key: str) -> str:
    """Give the line of a commit message by which `find` knows the commit again."""
    return f"Run-Key: {' '.join(key.split())}"
