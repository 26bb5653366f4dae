"""What a Hub remembers: accounts, repositories, commits and contents. In memory, one process."""

from __future__ import annotations

import hashlib
import itertools
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

RepositoryKind: TypeAlias = Literal["model", "dataset"]

LFS_SUFFIXES = (".safetensors", ".bin", ".pt", ".parquet", ".arrow", ".npz", ".zip", ".png", ".jpg", ".gz")
LFS_SIZE = 10 << 20
"""Bytes from which a file of any kind goes to LFS."""

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a commit; `oid` is Git's hash, of the pointer where `is_lfs`."""

    sha256: str
    size: int
    oid: str
    is_lfs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit with its whole tree."""

    oid: str
    parent: str | None
    title: str
    message: str
    author: str
    date: str
    tree: Mapping[str, Entry]


@dataclass(slots=True, kw_only=True)
class Repository:
    """A model or data set; `refs` maps full names such as `refs/heads/main` to commits."""

    kind: RepositoryKind
    id: str
    private: bool = False
    gated: bool = False
    commits: dict[str, Commit] = field(default_factory=dict[str, Commit])
    refs: dict[str, str] = field(default_factory=dict[str, str])

    def resolve(self, revision: str) -> str | None:
        """Find the commit that a branch, tag, full ref or hash means."""
        for name in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if name in self.refs:
                return self.refs[name]
        return revision if revision in self.commits else None

    def history(self, revision: str) -> Iterator[Commit]:
        """Give the commits up to `revision`, newest first."""
        oid = self.resolve(revision)
        while oid:
            yield self.commits[oid]
            oid = self.commits[oid].parent


@dataclass(slots=True, kw_only=True)
class HubState:
    """Everything behind the routes. `accounts` maps tokens to names; `base` and `content_base` are origins."""

    accounts: Mapping[str, str]
    multipart_size: int
    base: str = ""
    content_base: str = ""
    repositories: dict[tuple[RepositoryKind, str], Repository] = field(
        default_factory=dict[tuple[RepositoryKind, str], Repository]
    )
    contents: dict[str, bytes] = field(default_factory=dict[str, bytes])
    parts: dict[tuple[str, int], bytes] = field(default_factory=dict[tuple[str, int], bytes])
    lock: threading.RLock = field(default_factory=threading.RLock)
    ticks: Iterator[int] = field(default_factory=itertools.count)

    def create(self, kind: RepositoryKind, name: str, *, private: bool, gated: bool = False) -> Repository:
        """Create a repository with the initial commit that a Hub makes by itself."""
        repository = Repository(kind=kind, id=name, private=private, gated=gated)
        attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES)
        tree = {".gitattributes": self.store(attributes.encode())}
        self.commit(repository, "refs/heads/main", tree, title="initial commit", message="", author="system")
        self.repositories[kind, name] = repository
        return repository

    def store(self, content: bytes) -> Entry:
        """Keep a file that goes into Git itself."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.contents[sha256] = content
        return Entry(sha256=sha256, size=len(content), oid=_git_oid(content), is_lfs=False)

    def linked(self, sha256: str) -> Entry | None:
        """Make the entry of an uploaded LFS object, if it was uploaded."""
        if sha256 not in self.contents:
            return None
        size = len(self.contents[sha256])
        return Entry(sha256=sha256, size=size, oid=_git_oid(pointer(sha256, size)), is_lfs=True)

    def commit(
        self,
        repository: Repository,
        ref: str,
        tree: Mapping[str, Entry],
        *,
        title: str,
        message: str,
        author: str,
    ) -> str:
        """Append a commit to `ref`."""
        parent, tick = repository.refs.get(ref), next(self.ticks)
        oid = hashlib.sha1(f"{repository.kind} {repository.id} {ref} {parent} {title} {tick}".encode()).hexdigest()
        date = (_EPOCH + timedelta(seconds=tick)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        repository.commits[oid] = Commit(
            oid=oid, parent=parent, title=title, message=message, author=author, date=date, tree=dict(tree)
        )
        repository.refs[ref] = oid
        return oid


def goes_to_lfs(path: str, size: int, sample: bytes) -> bool:
    """Decide as a Hub does where a new file goes."""
    return path.endswith(LFS_SUFFIXES) or size > LFS_SIZE or b"\0" in sample


def pointer(sha256: str, size: int) -> bytes:
    """Write the pointer that Git holds for an LFS object."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def is_sha256(text: str) -> bool:
    """Whether `text` is a SHA-256 in hexadecimal."""
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
