"""Resolve what a data set is called into files on this machine and a pinned revision."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_intern.config import Settings
from ml_intern.core.errors import ToolError
from ml_intern.core.sandbox import Mount
from ml_intern.data.forms import MOST_BYTES, MOST_FILES, SUFFIXES

BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes")
"""Real data sets that scikit-learn carries in the sandbox."""

INSIDE = "/raw"

_QUOTES, _STOPS = "\"'`()[]<>\u201c\u201d\u2018\u2019", ".,;:!?\"'`)]>\u201d\u2019"
"""What may stand around a path in a sentence."""

_HUB_NAME = re.compile(
    r"(?P<name>[\w.-]+(?:/[\w.-]+)?)(?::(?P<config>[\w. +-]+))?(?:@(?P<revision>[\w./-]+))?", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSource:
    """Where the raw data are.

    Attributes:
        reference: what it is called, as it was asked for.
        revision: a commit, or a digest of local files; empty where only the sandbox knows it.
        folder: folder or file on the host; None where the sandbox itself carries the data.
        bundled: its name among those that scikit-learn carries.
        config: the configuration of a Hub data set that was asked for.
    """

    reference: str
    revision: str
    folder: Path | None = None
    bundled: str | None = None
    config: str | None = None

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """What the worker sees: the folder, or a folder that holds just the file."""
        if self.folder is None:
            return ()
        target = INSIDE if self.folder.is_dir() else f"{INSIDE}/{self.folder.name}"
        return (Mount(source=self.folder, target=target),)

    @property
    def request(self) -> dict[str, str | None]:
        """The same for the worker's own eyes."""
        return {"bundled": self.bundled, "folder": INSIDE if self.folder else None, "config": self.config}


def resolve(
    reference: str, settings: Settings, *, limit: int = MOST_BYTES, private: Path | None = None
) -> DatasetSource:
    """Find the data set called `reference`, and download it where it is on the Hub (at most `limit` bytes).

    Args:
        reference: `org/name`, with `:config` and `@revision` behind it where wanted; a path that begins with `/`,
            `./`, `../` or `~` or ends like a data file; or `sklearn/<name>`.
        settings: gives cache, token and endpoint.
        limit: bytes of data files.
        private: a folder besides the settings' home that no local path may lead to.

    Raises:
        ToolError: it does not exist, may not be read, or is too large; the message says what to do.
        ConfigError: the token is refused.
    """
    reference = reference.strip()
    if reference.startswith("sklearn/"):
        return _bundled(reference)
    if is_local(reference):
        return _local(reference, [settings.home, *([private] if private else [])], limit)
    named = _HUB_NAME.fullmatch(reference)
    if named is None:
        raise ToolError(f"{reference[:100]!r} is no data set: give org/name, a path like ./data, or sklearn/digits")
    from ml_intern.data import hub  # noqa: PLC0415 - the Hub's client is loaded where a Hub data set is asked for

    folder, commit = hub.download(named["name"], named["revision"], settings, limit=limit)
    return DatasetSource(reference=reference, revision=commit, folder=folder, config=named["config"])


def is_local(reference: str) -> bool:
    """Whether `reference` is a path of this machine: by how it begins, or ends."""
    return reference.startswith(("/", "./", "../", "~")) or _suffix(Path(reference)) in SUFFIXES


def names_path(task: str, reference: str) -> bool:
    """Whether the words of `task` name the local path `reference`, or a folder above it."""
    wanted = Path(reference).expanduser().resolve()
    words = (word.strip(_QUOTES).rstrip(_STOPS) for word in task.split())
    named = [Path(word).expanduser().resolve() for word in words if is_local(word)]
    return any(wanted.is_relative_to(path) for path in named if path != Path("/"))


def _bundled(reference: str) -> DatasetSource:
    name = reference.removeprefix("sklearn/")
    if name not in BUNDLED:
        known = ", ".join(f"sklearn/{known}" for known in BUNDLED)
        raise ToolError(f"scikit-learn carries no {name[:60]!r} here; known: {known}")
    return DatasetSource(reference=reference, revision="", bundled=name)


def _local(reference: str, private: Sequence[Path], limit: int) -> DatasetSource:
    path = Path(reference).expanduser().resolve()
    if not path.exists():
        raise ToolError(f"{reference} does not exist on this machine (looked at {path}); check the path")
    _require_allowed(path, private)
    files = data_files(path)
    if not files:
        raise ToolError(f"{reference} holds no data files; known endings: {', '.join(sorted(SUFFIXES))}")
    size = sum(file.stat().st_size for file in files)
    if size > limit or len(files) > MOST_FILES:
        raise ToolError(f"{reference} is too large: {len(files)} files, {size / 1e9:.1f} GB; use a part of it")
    return DatasetSource(reference=reference, revision=_digest(path, files), folder=path)


def _require_allowed(path: Path, private: Sequence[Path]) -> None:
    """Keep the runs' own files, hidden labels among them, and private folders out of reach of a language model.

    Raises:
        ToolError: `path` is, holds or lies in one of them.
    """
    homes = [home.resolve() for home in private]
    if any(path.is_relative_to(home) or home.is_relative_to(path) for home in homes):
        raise ToolError(f"{path} holds files of the runtime itself and cannot be a data set")
    if any(part.startswith(".") for part in path.parts):
        raise ToolError(f"{path} lies in a hidden folder; move the data to a plain one")


def data_files(path: Path) -> list[Path]:
    """List the data files at or below `path` in a fixed order; hidden ones and links are left out."""
    if path.is_file():
        return [path] if _suffix(path) in SUFFIXES else []
    files: list[Path] = []
    for root, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(root, name) for name in sorted(names) if not name.startswith(".")]
    return [file for file in files if _suffix(file) in SUFFIXES and not file.is_symlink()]


def _suffix(path: Path) -> str:
    return path.suffix.lower()


def _digest(path: Path, files: list[Path]) -> str:
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        whole.update(f"{file.relative_to(path).as_posix()}\0{content}\n".encode())
    return f"sha256:{whole.hexdigest()}"
