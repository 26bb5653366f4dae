"""A folder of this machine as a destination, laid out as a repository of a Hub."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import Location
from ml_intern.publishing.bundle import file_digest, file_names, replace_folder
from ml_intern.publishing.destination import Fetched, check_repository, commit_line

NAMESPACE = "local"
_ATTRIBUTES = "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"


class FolderDestination:
    """Repositories below `root`; the row of their commits lies beside it, so that a repository holds files only."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._commits = self._root.parent / "commits"

    @property
    def location(self) -> Location:
        """The kind of place."""
        return "folder"

    def complete(self, name: str) -> str:
        """Put `local` before a name without namespace."""
        name = check_repository(name)
        return name if "/" in name else f"{NAMESPACE}/{name}"

    def folder(self, repository: str) -> Path | None:
        """Give the folder of the repository."""
        return self._root / repository

    def url(self, repository: str) -> str:
        """Give the folder as an address."""
        return (self._root / repository).as_uri()

    def push(self, files: Path, repository: str, *, private: bool, key: str, message: str) -> str:
        """Replace the repository's folder in one move, then record the commit durably."""
        del private  # whoever reads the folder reads it
        place = self._root / repository
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".push-", dir=self._root) as scratch:
            new = Path(scratch) / "new"
            if place.exists():
                shutil.copytree(place, new, symlinks=True)
            shutil.copytree(files, new, symlinks=True, dirs_exist_ok=True)
            (new / ".gitattributes").write_text(_ATTRIBUTES, "utf-8")
            content = {name: file_digest(new / name) for name in file_names(new)}
            replace_folder(new, place, scratch=Path(scratch))
        return self._record(repository, content, said=f"{message}\n\n{commit_line(key)}")

    def find(self, repository: str, key: str) -> str | None:
        """Look for `key` in the record of commits."""
        line = commit_line(key)
        return next((revision for revision, said in self._history(repository) if line in said.splitlines()), None)

    def fetch(self, repository: str, revision: str, into: Path) -> Fetched:
        """Copy the files out.

        Raises:
            ToolError: a newer commit replaced `revision`, or the folder was changed by hand.
        """
        history = list(self._history(repository))
        if not history or history[-1][0] != revision:
            raise ToolError(f"{repository} has a newer commit than {revision}. Publish under a new name.")
        shutil.copytree(self._root / repository, into, symlinks=True)
        return Fetched(folder=into, shown=self._root / repository, cache=None)

    def _record(self, repository: str, content: Mapping[str, str], *, said: str) -> str:
        """Append the commit, named like those of Git by a hash over its content, its message and its parent."""
        parents = [revision for revision, _ in self._history(repository)]
        named = json.dumps([parents[-1:], said, content], sort_keys=True)
        revision = hashlib.sha256(named.encode()).hexdigest()[:40]
        file = self._file(repository)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as writer:
            # The line break before it ends a line that a crash tore.
            writer.write("\n" + json.dumps({"revision": revision, "message": said}) + "\n")
            writer.flush()
            os.fsync(writer.fileno())
        return revision

    def _history(self, repository: str) -> Iterator[tuple[str, str]]:
        """Give revision and message of each commit, oldest first; what is no whole line is none."""
        file = self._file(repository)
        if not file.exists():
            return
        for line in file.read_text("utf-8").splitlines():
            try:
                commit = json.loads(line)
            except ValueError:
                continue
            yield str(commit["revision"]), str(commit["message"])

    def _file(self, repository: str) -> Path:
        return self._commits / f"{repository}.jsonl"
