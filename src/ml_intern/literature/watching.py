"""Remember which papers a query had at the last look, so that the next look tells the new ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_intern.literature.cache import Shelf
from ml_intern.literature.paper import Paper

MOST = 2_000
"""Identifiers kept for one query: many times what one look gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The identifiers, without versions, that a query has shown, the last ones last."""

    query: str
    papers: tuple[str, ...]


class Watched:
    """What has been seen, a file a query."""

    def __init__(self, folder: Path) -> None:
        self._shelf = Shelf(folder, Seen)

    def new(self, query: str, found: Iterable[Paper]) -> tuple[Paper, ...]:
        """Give those of `found` that were not seen before, the oldest first; a new version is no new paper."""
        known = self._shelf.get(_name(query))
        seen = frozenset(known.papers) if known else frozenset[str]()
        return tuple(paper for paper in found if paper.id not in seen)[::-1]

    def saw(self, query: str, papers: Sequence[Paper]) -> None:
        """Remember `papers`, at once and for good.

        Raises:
            ConfigError: the folder cannot be written.
        """
        known = self._shelf.get(_name(query))
        names = dict.fromkeys([*(known.papers if known else ()), *(paper.id for paper in papers)])
        self._shelf.put(_name(query), Seen(query=query, papers=tuple(names)[-MOST:]))


def _name(query: str) -> str:
    """Name the file by what the query says, not by how it is spaced."""
    return hashlib.sha256(" ".join(query.split()).casefold().encode()).hexdigest()[:16]
