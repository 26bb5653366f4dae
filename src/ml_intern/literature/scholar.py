"""Ask Semantic Scholar: search, what a paper cites, and who cites it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ml_intern.config import Settings
from ml_intern.core.errors import ToolError
from ml_intern.literature.clean import clean
from ml_intern.literature.client import Absent, Client, checked
from ml_intern.literature.gate import Gate
from ml_intern.literature.paper import Paper, as_reference

PUBLIC = "https://api.semanticscholar.org"
INTERVAL = 1.1
"""Seconds between requests; one in a second is allowed with a key."""
LIMIT = 8_000_000
"""Bytes of an answer."""
_FIELDS = "title,abstract,year,publicationDate,externalIds,citationCount,authors.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A paper that another one cites, or that cites it; `id` is its arXiv identifier, if it has one."""

    title: str
    year: int | None
    authors: tuple[str, ...]
    id: str | None
    citations: int | None


class _Author(BaseModel):
    name: str = ""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore")

    title: str | None = None
    abstract: str | None = None
    year: int | None = None
    published: str | None = Field(default=None, alias="publicationDate")
    identifiers: dict[str, object] | None = Field(default=None, alias="externalIds")
    citations: int | None = Field(default=None, alias="citationCount")
    authors: list[_Author] | None = None


class _Link(BaseModel):
    cited: _Entry | None = Field(default=None, alias="citedPaper")
    citing: _Entry | None = Field(default=None, alias="citingPaper")


class _Links(BaseModel):
    data: list[_Link] | None = None


class _Entries(BaseModel):
    data: list[_Entry] | None = None


class Scholar:
    """Semantic Scholar, one request in a second from this machine."""

    def __init__(self, settings: Settings, gate: Gate | None = None) -> None:
        base = settings.scholar_endpoint
        if base is not None:
            checked(base, "ML_INTERN_SCHOLAR")
        folder = settings.home / "cache" / "semantic-scholar"
        interval = INTERVAL if base is None else 0.0
        headers = {"x-api-key": settings.scholar_key.reveal()} if settings.scholar_key else {}
        self._base = (base or PUBLIC).rstrip("/") + "/graph/v1/paper"
        self._client = Client(
            gate or Gate(folder, interval=interval, service="Semantic Scholar"),
            headers=headers,
        )

    def close(self) -> None:
        """Close connections; safe to call twice."""
        self._client.close()

    def search(self, query: str, *, limit: int) -> tuple[Paper, ...]:
        """Give up to `limit` papers that are on arXiv.

        Raises:
            ToolError: the service cannot be asked.
        """
        answer = self._ask(f"{self._base}/search", {"query": query, "limit": str(2 * limit), "fields": _FIELDS})
        found = _read(TypeAdapter(_Entries), answer).data or []
        papers = (paper for entry in found if (paper := _paper(entry)) is not None)
        return tuple(paper for _, paper in zip(range(limit), papers, strict=False))

    def references(self, paper: str, *, limit: int) -> tuple[Neighbour, ...]:
        """Give what the paper with arXiv identifier `paper` cites.

        Raises:
            ToolError: the service does not know the paper, or cannot be asked.
        """
        return tuple(_neighbour(link.cited) for link in self._links(paper, "references", limit) if link.cited)

    def citations(self, paper: str, *, limit: int) -> tuple[Neighbour, ...]:
        """Give the papers that cite the one with arXiv identifier `paper`, the newest first.

        Raises:
            ToolError: the service does not know the paper, or cannot be asked.
        """
        return tuple(_neighbour(link.citing) for link in self._links(paper, "citations", limit) if link.citing)

    def _links(self, paper: str, kind: str, limit: int) -> Iterator[_Link]:
        address = f"{self._base}/arXiv:{paper}/{kind}"
        answer = self._ask(address, {"limit": str(limit), "fields": _FIELDS})
        yield from _read(TypeAdapter(_Links), answer).data or []

    def _ask(self, address: str, parameters: dict[str, str]) -> bytes:
        answer = self._client.get(address, limit=LIMIT, parameters=parameters)
        if isinstance(answer, Absent):
            raise ToolError(f"Semantic Scholar gives nothing: {answer.reason}")
        return answer.body


_T = TypeVar("_T")


def _read(adapter: TypeAdapter[_T], answer: bytes) -> _T:
    try:
        return adapter.validate_json(answer)
    except ValidationError as error:
        raise ToolError("Semantic Scholar answered with something unreadable; try again later") from error


def _identifier(entry: _Entry) -> str | None:
    value = (entry.identifiers or {}).get("ArXiv")
    reference = as_reference(value) if isinstance(value, str) else None
    return reference.id if reference else None


def _authors(entry: _Entry) -> tuple[str, ...]:
    return tuple(clean(author.name) for author in entry.authors or ())


def _paper(entry: _Entry) -> Paper | None:
    """Give an entry that is on arXiv; its version is not known here."""
    identifier = _identifier(entry)
    if identifier is None or not entry.title:
        return None
    return Paper(
        id=identifier,
        version=0,
        title=clean(entry.title),
        authors=_authors(entry),
        published=entry.published or str(entry.year or ""),
        categories=(),
        abstract=clean(entry.abstract or ""),
        citations=entry.citations,
    )


def _neighbour(entry: _Entry) -> Neighbour:
    return Neighbour(
        title=clean(entry.title or "(no title)"),
        year=entry.year,
        authors=_authors(entry),
        id=_identifier(entry),
        citations=entry.citations,
    )
