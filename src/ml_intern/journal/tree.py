"""What a workspace held at one moment: names, digests and links, and one digest over all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any, cast

from ml_intern.core.errors import JournalError


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file whose content is in the store: SHA-256, size in bytes."""

    digest: str
    size: int
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A snapshot. Names have `/` between their parts; `left` says of what was not kept why."""

    files: Mapping[str, Kept] = field(default_factory=dict[str, Kept])
    links: Mapping[str, str] = field(default_factory=dict[str, str])
    folders: tuple[str, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def digest(self) -> str:
        """The SHA-256 of `encode`."""
        return hashlib.sha256(encode(self)).hexdigest()


def encode(tree: Tree) -> bytes:
    """Give the one form a tree is stored in; ASCII, so that names of any bytes survive."""
    return json.dumps({"version": 1, **asdict(tree)}, sort_keys=True, separators=(",", ":")).encode("ascii")


def decode(data: bytes, digest: str) -> Tree:
    """Read what `encode` wrote.

    Raises:
        JournalError: it is not what has this digest, or names a place outside.
    """
    if hashlib.sha256(data).hexdigest() != digest:
        raise JournalError(f"the snapshot {digest[:12]} is damaged")
    given = cast("dict[str, Any]", json.loads(data))
    if given.pop("version") != 1:
        raise JournalError(f"the snapshot {digest[:12]} was made by a newer version; upgrade open-ml-intern")
    files = {name: Kept(**kept) for name, kept in given.pop("files").items()}
    tree = Tree(files=files, links=given["links"], folders=tuple(given["folders"]), left=given["left"])
    if unsafe := [name for name in (*tree.files, *tree.links, *tree.folders) if not _is_inside(name)]:
        raise JournalError(f"the snapshot {digest[:12]} names {unsafe[0]!r}, which is outside of the workspace")
    return tree


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
