"""Ask arXiv's catalogue: search by words, look up by identifier."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

from ml_intern.core.errors import ToolError
from ml_intern.literature.clean import clean
from ml_intern.literature.client import Absent, Client
from ml_intern.literature.markup import Element, MarkupError, parse_xml
from ml_intern.literature.paper import Paper, Reference, as_reference

Order: TypeAlias = Literal["relevance", "submittedDate"]
FEED_LIMIT = 4_000_000
"""Bytes; a page of 20 entries has about 60 kB."""
_FIELD = re.compile(r"\b(?:ti|au|abs|co|jr|cat|rn|id|all):", re.ASCII)
"""Field prefixes of the query language; source: arXiv API user's manual §5.1."""
_IGNORED = frozenset({
    "a", "an", "and", "are", "as", "at", "by", "for", "from", "in", "is", "of", "on", "or", "the", "to", "via", "with",
})  # fmt: skip
"""Words that an index leaves out, so that no paper would have them."""


class UnfitQueryError(ToolError):
    """A query that no service can answer."""


def search(client: Client, api: str, query: str, *, limit: int, by: Order = "relevance") -> tuple[Paper, ...]:
    """Give up to `limit` papers, the most relevant first, or the last submitted.

    A query with field prefixes (`ti:`, `au:`, …) is passed on as it is; of plain words each must occur.

    Raises:
        UnfitQueryError: the query has no word, or arXiv refuses it.
        ToolError: the catalogue cannot be asked.
    """
    parameters = {"search_query": _expression(query), "max_results": str(limit), "sortBy": by}
    return tuple(_papers(_ask(client, api, parameters)))


def by_id(client: Client, api: str, reference: Reference) -> Paper:
    """Look `reference` up; without a version it is the newest.

    Raises:
        ToolError: arXiv has no such paper, or cannot be asked.
    """
    feed = _ask(client, api, {"id_list": str(reference), "max_results": "1"})
    wanted = (paper for paper in _papers(feed) if paper.id == reference.id)
    paper = next(wanted, None)
    if paper is None or reference.version not in {None, paper.version}:
        raise ToolError(f"arXiv has no paper {reference}; check the number, or find it with search_papers")
    return paper


def _expression(query: str) -> str:
    if _FIELD.search(query):
        return query.strip()
    words = re.findall(r"[^\W_]+", query)
    telling = [word for word in words if word.lower() not in _IGNORED] or words
    if not telling:
        raise UnfitQueryError("the query has no words; give a few of the title or the topic")
    return " AND ".join(f"all:{word}" for word in telling)


def _ask(client: Client, api: str, parameters: dict[str, str]) -> Element:
    answer = client.get(api, limit=FEED_LIMIT, parameters=parameters)
    if isinstance(answer, Absent):
        raise ToolError(f"the catalogue of arXiv gives nothing: {answer.reason}. Try again later, or change the query.")
    try:
        feed = parse_xml(answer.body)
    except MarkupError as error:
        raise ToolError(f"the catalogue of arXiv answered with something unreadable: {error}") from error
    if feed.tag != "feed":
        raise ToolError(f"the catalogue of arXiv answered with <{feed.tag}> instead of a feed; try again later")
    return feed


def _papers(feed: Element) -> Iterator[Paper]:
    for entry in feed.elements:
        if entry.tag != "entry":
            continue
        address = _text(entry, "id")
        if "/api/errors" in address:
            raise UnfitQueryError(f"arXiv refuses the request: {_text(entry, 'summary')}")
        reference, title = as_reference(address), _text(entry, "title")
        if reference is not None and title:  # for a number without a paper there may be an entry without a title
            yield _paper(entry, reference, title)


def _paper(entry: Element, reference: Reference, title: str) -> Paper:
    people = (child for child in entry.elements if child.tag == "author")
    return Paper(
        id=reference.id,
        version=reference.version or 1,
        title=title,
        authors=tuple(_text(person, "name") for person in people),
        published=_text(entry, "published")[:10],
        categories=tuple(e.attributes.get("term", "") for e in entry.elements if e.tag == "category"),
        abstract=_text(entry, "summary"),
    )


def _text(parent: Element, tag: str) -> str:
    return next((clean(child.text()) for child in parent.elements if child.tag == tag), "")
