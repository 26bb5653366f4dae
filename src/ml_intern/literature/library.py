"""Find papers and read them from the best source there is, each version once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ml_intern.config import Settings
from ml_intern.core.errors import ToolError
from ml_intern.literature.cache import Shelf
from ml_intern.literature.chunks import passages
from ml_intern.literature.client import Client, Endpoints
from ml_intern.literature.document import Document, Refusal
from ml_intern.literature.embedding import configured
from ml_intern.literature.gate import INTERVAL, Gate
from ml_intern.literature.hub_papers import HubPapers, Linked
from ml_intern.literature.index import Hit, Index
from ml_intern.literature.paper import Paper, Reference, as_reference, parse_reference
from ml_intern.literature.scholar import Neighbour, Scholar
from ml_intern.literature.search import UnfitQueryError, by_id, search
from ml_intern.literature.sources import Ar5ivSource, HtmlSource, PdfSource, Source, TexSource
from ml_intern.literature.sweep import Finding, sweep

FRESH = 24 * 3600.0
"""Seconds for which the newest version of a paper, or a failure in passing of a better source, is taken as known."""
_RELEASE = "4"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Papers, best first, the service that found them, and why better ones were not asked."""

    papers: tuple[Paper, ...]
    service: str
    passed_over: tuple[str, ...] = ()


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
            Ar5ivSource(self._client, endpoints),
            TexSource(self._client, endpoints),
            PdfSource(self._client, endpoints, settings.docling),
        )
        self._scholar = Scholar(settings)
        self._hub = HubPapers(settings)
        self._catalogue = Shelf(folder / "catalogue", Looked)
        self._documents = Shelf(folder / f"documents-{_RELEASE}", Reading)
        named = settings.embeddings
        self._index = Index(folder / f"documents-{_RELEASE}", (lambda: configured(named)) if named else None)

    def close(self) -> None:
        """Close connections; safe to call twice."""
        self._index.close()
        self._client.close()
        self._scholar.close()

    def search(self, query: str, *, limit: int) -> Found:
        """Give up to `limit` papers for words, or the one that an identifier or an address names.

        Where arXiv cannot be asked, the Hub is, and then Semantic Scholar.

        Raises:
            ToolError: no service can be asked, or arXiv has no paper with that identifier.
        """
        reference = as_reference(query)
        if reference is not None:
            return Found(papers=(self._paper(reference),), service="arXiv")
        services: tuple[tuple[str, Callable[[], tuple[Paper, ...]]], ...] = (
            ("arXiv", lambda: search(self._client, self._api, query, limit=limit)),
            ("the Hugging Face Hub", lambda: self._hub.search(query, limit=limit)),
            ("Semantic Scholar", lambda: self._scholar.search(query, limit=limit)),
        )
        failures: list[ToolError] = []
        for name, ask in services:
            try:
                return Found(papers=ask(), service=name, passed_over=tuple(map(str, failures)))
            except UnfitQueryError:
                raise
            except ToolError as error:
                failures.append(error)
        raise failures[0]

    def newest(self, query: str, *, limit: int) -> tuple[Paper, ...]:
        """Give the papers of arXiv that fit, the last submitted first.

        Raises:
            ToolError: arXiv cannot be asked.
        """
        return search(self._client, self._api, query, limit=limit, by="submittedDate")

    def references(self, reference: str, *, limit: int) -> tuple[Neighbour, ...]:
        """Give what a paper cites.

        Raises:
            ToolError: it is unknown, or nobody can be asked.
        """
        return self._scholar.references(parse_reference(reference).id, limit=limit)

    def citations(self, reference: str, *, limit: int) -> tuple[Neighbour, ...]:
        """Give the papers that cite one.

        Raises:
            ToolError: it is unknown, or nobody can be asked.
        """
        return self._scholar.citations(parse_reference(reference).id, limit=limit)

    def linked(self, reference: str) -> Linked:
        """Give models and data sets of the Hub whose cards name a paper.

        Raises:
            ToolError: it is unknown, or the Hub cannot be asked.
        """
        return self._hub.linked(parse_reference(reference).id)

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
        self._index.add(paper.name, passages(document))
        return document

    def ask(self, questions: Sequence[str], references: Sequence[str] = (), *, limit: int) -> tuple[Hit, ...]:
        """Find passages for a question, asked in one or more ways, in papers, or in all that were read before.

        Raises:
            ToolError: a paper cannot be read.
        """
        names = tuple(self._indexed(reference) for reference in references)
        return self._index.find(questions, papers=names, limit=limit)

    def absent(self, questions: Sequence[str], references: Sequence[str] = ()) -> tuple[str, ...]:
        """Give the words of questions that stand nowhere in papers, or in all that were read before.

        Raises:
            ToolError: a paper cannot be read.
        """
        return self._index.absent(questions, papers=tuple(self._indexed(reference) for reference in references))

    def sweep(self, reference: str) -> tuple[Finding, ...]:
        """Find what an implementation must know of a paper.

        Raises:
            ToolError: it cannot be read.
        """
        return sweep(self._index, self._indexed(reference))

    def _indexed(self, reference: str) -> str:
        """Read a paper and give its name; one read before the index was there is put into it."""
        document = self.read(reference)
        name = document.paper.name
        if not self._index.has(name):
            self._index.add(name, passages(document))
        return name

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
