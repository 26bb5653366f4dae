"""Find papers and read them from the best source there is, each version once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ml_intern.config import Settings
from ml_intern.core.errors import ToolError
from ml_intern.literature.cache import Shelf
from ml_intern.literature.client import Client, Endpoints
from ml_intern.literature.document import Document, Refusal
from ml_intern.literature.gate import INTERVAL, Gate
from ml_intern.literature.paper import Paper, Reference, as_reference, parse_reference
from ml_intern.literature.search import by_id, search
from ml_intern.literature.sources import HtmlSource, PdfSource, Source

FRESH = 24 * 3600.0
"""Seconds for which the newest version of a paper, or a failure in passing of a better source, is taken as known."""
_RELEASE = "1"
"""Names the folder of documents; a reader that reads better gets the next, so that old readings are not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What the catalogue said, and when (Unix seconds)."""

    at: float
    paper: Paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A document, and when it was read (Unix seconds)."""

    at: float
    document: Document


class Library:
    """All papers of arXiv, and a shelf for those that were read. Nothing is asked or written before the first use."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time, gate: Gate | None = None) -> None:
        folder = settings.home / "cache" / "arxiv"
        endpoints = Endpoints.of(settings.arxiv_endpoint)
        # another service than arXiv is not bound by its terms, but still asked by one at a time
        gate = gate or Gate(folder, interval=INTERVAL if endpoints.is_arxiv else 0.0)
        self._client = Client(gate)
        self._api = endpoints.api
        self._clock = clock
        self._sources: tuple[Source, ...] = (
            HtmlSource(self._client, endpoints),
            PdfSource(self._client, endpoints),
        )
        self._catalogue = Shelf(folder / "catalogue", Looked)
        self._documents = Shelf(folder / f"documents-{_RELEASE}", Reading)

    def close(self) -> None:
        """Close connections; safe to call twice."""
        self._client.close()

    def search(self, query: str, *, limit: int) -> tuple[Paper, ...]:
        """Give up to `limit` papers for words, or the one that an identifier or an address names.

        Raises:
            ToolError: arXiv cannot be asked, or has no paper with that identifier.
        """
        reference = as_reference(query)
        if reference is not None:
            return (self._paper(reference),)
        return search(self._client, self._api, query, limit=limit)

    def read(self, reference: str) -> Document:
        """Read a paper from the first source that has it; a version that was read before asks nobody.

        Raises:
            ToolError: no such paper, no source can be read, or arXiv cannot be asked.
        """
        paper = self._paper(parse_reference(reference))
        known = self._documents.get(paper.name)
        if known and (known.document.is_settled or self._clock() - known.at < FRESH):
            return known.document
        document = _read(paper, self._sources)
        self._documents.put(paper.name, Reading(at=self._clock(), document=document))
        return document

    def _paper(self, reference: Reference) -> Paper:
        known = self._catalogue.get(str(reference))
        if known and (reference.version is not None or self._clock() - known.at < FRESH):
            return known.paper
        try:
            paper = by_id(self._client, self._api, reference)
        except ToolError:
            if known is None:
                raise
            return known.paper  # what was the newest a while ago is better than nothing, and names its version
        for name in {str(reference), paper.name}:
            self._catalogue.put(name, Looked(at=self._clock(), paper=paper))
        return paper


def _read(paper: Paper, sources: Iterable[Source]) -> Document:
    refusals: dict[str, Refusal] = {}
    for source in sources:
        content = source.read(paper)
        if isinstance(content, Refusal):
            refusals[source.name] = content
            continue
        return Document(
            paper=paper,
            source=source.name,
            passed_over=_reasons(refusals),
            is_settled=all(refusal.lasting for refusal in refusals.values()),
            content=content,
        )
    raise ToolError(
        f"no text of {paper.name} can be had: {'; '.join(_reasons(refusals))}."
        " search_papers with its number gives the abstract; or choose another paper."
    )


def _reasons(refusals: dict[str, Refusal]) -> tuple[str, ...]:
    return tuple(f"{name.upper()}: {refusal.reason}" for name, refusal in refusals.items())
