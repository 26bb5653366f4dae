"""Ask the Hugging Face Hub for papers: search, and which models and data sets name one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from ml_intern.config import Settings
from ml_intern.core.errors import ToolError
from ml_intern.literature.clean import clean
from ml_intern.literature.paper import Paper, as_reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """Repositories of the Hub whose cards name a paper, and its code, if its authors said where it is."""

    models: tuple[str, ...]
    datasets: tuple[str, ...]
    code: str | None


class HubPapers:
    """The Hub's pages of papers. No token is sent: what they say is public."""

    def __init__(self, settings: Settings) -> None:
        self._api = HfApi(endpoint=settings.hub_endpoint, token=False)

    def search(self, query: str, *, limit: int) -> tuple[Paper, ...]:
        """Give up to `limit` papers of arXiv.

        Raises:
            ToolError: the Hub cannot be asked.
        """
        try:
            found = [*self._api.list_papers(query=query, limit=limit)]
        except (HfHubHTTPError, httpx2.HTTPError, ValueError) as error:
            raise ToolError(f"the Hub's papers cannot be searched: {_why(error)}") from error
        papers = (
            _paper(p.id, p.title, p.summary, p.published_at, [author.name for author in p.authors or ()]) for p in found
        )
        return tuple(paper for paper in papers if paper is not None)[:limit]

    def linked(self, paper: str) -> Linked:
        """Say what on the Hub names the paper with arXiv identifier `paper`.

        Raises:
            ToolError: the Hub does not know the paper, or cannot be asked.
        """
        try:
            info = self._api.paper_info(paper)
        except (HfHubHTTPError, httpx2.HTTPError, ValueError) as error:
            raise ToolError(f"the Hub says nothing of {paper}: {_why(error)}") from error
        return Linked(
            models=tuple(model.id for model in info.linked_models or ()),
            datasets=tuple(dataset.id for dataset in info.linked_datasets or ()),
            code=info.github_repo,
        )


def _why(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _paper(
    identifier: str, title: str | None, summary: str | None, published: datetime | None, authors: Iterable[str | None]
) -> Paper | None:
    reference = as_reference(identifier)
    if reference is None or not title:
        return None
    return Paper(
        id=reference.id,
        version=0,
        title=clean(" ".join(title.split())),
        authors=tuple(clean(author) for author in authors if author),
        published=published.date().isoformat() if published else "",
        categories=(),
        abstract=clean(summary or ""),
    )
