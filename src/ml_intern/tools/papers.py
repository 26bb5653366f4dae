"""Let the language model find papers on arXiv and read them part by part."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from ml_intern.config import Settings
from ml_intern.core.errors import ToolError
from ml_intern.core.followed import PaperPoint, PaperSwept
from ml_intern.core.messages import Observation
from ml_intern.literature.document import Document
from ml_intern.literature.index import Hit
from ml_intern.literature.library import Library
from ml_intern.literature.points import points
from ml_intern.literature.rendering import entry, find, labelled, neighbour_line, overview, pages, parts
from ml_intern.literature.sweep import Finding, facets
from ml_intern.tools._define import Toolset, tool
from ml_intern.tools._foreign import fenced


class ArXivReader(Toolset):
    """Search arXiv and read its papers. `settings` come from the environment at the first call, if not given."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._library: Library | None = None

    @tool(effect="read", recovery="repeat")
    def search_papers(self, query: str, limit: Annotated[int, Field(ge=1, le=20)] = 5) -> str:
        """Find papers on arXiv. Gives identifier, title, authors, date and abstract of each, best first.

        query: words that all must occur ("vision transformer image patches"), field terms
        (ti:"deep residual learning" AND au:he), or an identifier. If nothing is found, use fewer words.
        """
        found = self._open().search(query, limit=limit)
        if not found.papers:
            return f"No paper has all of {query!r}, says {found.service}. Use fewer or other words."
        papers = "\n\n".join(entry(paper) for paper in found.papers)
        return fenced(papers, f"{len(found.papers)} papers, found by {found.service}")

    @tool(effect="read", recovery="repeat")
    def read_paper(self, paper: str, section: str = "", page: Annotated[int, Field(ge=1)] = 1) -> str:
        """Read a paper. Without `section`: title, abstract and the list of sections with their lengths.

        With one, its whole text with subsections. Long texts come in pages; ask for the next with `page`.
        Equations are LaTeX; those within a PDF's text may be garbled.
        Example: paper="2010.11929", section="3.1".

        paper: identifier, with or without version, or arxiv.org address.
        section: number, title, "References", "Table 2", "Figure 1" or "Equation 3".
        """
        document = self._open().read(paper)
        name, whole = _wanted(document, section)
        text = pages(whole)
        if page > len(text):
            raise ToolError(f"this text has {len(text)} page(s); there is no page {page}")
        return fenced(text[page - 1], f"{document.paper.name}, {name}, page {page} of {len(text)}")

    @tool(effect="read", recovery="repeat")
    def ask_papers(
        self,
        questions: Annotated[list[str], Field(min_length=1, max_length=4)],
        paper: str = "",
        limit: Annotated[int, Field(ge=1, le=10)] = 4,
    ) -> str:
        """Find passages for one question, in 1 to 4 wordings; without `paper` in all papers read before.

        Example: questions=["warm-up steps of the learning rate"], paper="2010.11929".
        """
        library, where = self._open(), [paper] if paper.strip() else []
        hits = library.ask(questions, where, limit=limit)
        if not hits:
            return "No passage has any of these words. Use other words, or read_paper."
        absent = library.absent(questions, where)
        nowhere = f"; nowhere there: {', '.join(absent)}" if absent else ""
        return fenced("\n\n".join(map(_passage, hits)), f"{len(hits)} passages, best first{nowhere}")

    @tool(effect="read", recovery="repeat")
    def related_papers(
        self,
        paper: str,
        kind: Literal["references", "citations", "repositories"],
        limit: Annotated[int, Field(ge=1, le=50)] = 10,
    ) -> str:
        """List what a paper cites, who cites it, or models and data sets of the Hub that name it."""
        library = self._open()
        if kind == "repositories":
            linked = library.linked(paper)
            listed = {"models": linked.models[:limit], "data sets": linked.datasets[:limit]}
            lines = [f"{name}: {', '.join(found) or 'none'}" for name, found in listed.items()]
            return fenced("\n".join([*lines, f"code: {linked.code or 'not known'}"]), f"repositories that name {paper}")
        ask = library.references if kind == "references" else library.citations
        neighbours = ask(paper, limit=limit)
        return fenced("\n".join(map(neighbour_line, neighbours)) or "none is known", f"{kind} of {paper}")

    @tool(effect="read", recovery="repeat")
    def sweep_paper(self, paper: str) -> Observation:
        """Quote what a paper says on about 30 facts an implementation needs, from depth to schedule.

        Do this before you implement a paper: the card sets its values against yours; give a `departure` for each that
        differs. An `aside` is no choice of theirs. What is not quoted may be there too: ask_papers.
        """
        library = self._open()
        findings, document = library.sweep(paper), library.read(paper)
        about = document.paper
        read = points(findings)
        swept = PaperSwept(paper=about.name, title=about.title, source=document.source, points=read)
        text = fenced(
            "\n".join(_facts(findings, read)), f"{about.name}, facts for an implementation, values in brackets"
        )
        return Observation(text=text, facts=(swept,))

    def close(self) -> None:
        """Close connections; safe to call twice."""
        if self._library is not None:
            self._library.close()
            self._library = None

    def _open(self) -> Library:
        if self._library is None:
            self._library = Library(self._settings or Settings.load(os.environ))
        return self._library


def _wanted(document: Document, section: str) -> tuple[str, str]:
    """Give the name and the text of what is asked for."""
    if not section.strip():
        return "overview", overview(document)
    if (text := labelled(document, section)) is not None:
        return section.strip(), text
    part = find(parts(document), section)
    return f"section {part.anchor}", part.text


def _passage(hit: Hit) -> str:
    passage = hit.passage
    page = f", page {passage.page}" if passage.page is not None else ""
    return f"[{hit.paper}, section {passage.anchor}{page}: {' > '.join(passage.path)}]\n{passage.text}"


def _facts(findings: Sequence[Finding], read: Sequence[PaperPoint]) -> Iterator[str]:
    """Give each fact with the values read and its quotations; one that stands already is pointed at."""
    values = {point.name: f" ({', '.join(point.values)})" for point in read if point.values}
    points = {facet.name: facet.point for facet in facets()}
    above: dict[str, str] = {}
    silent: list[str] = []
    for finding in findings:
        shown = finding.quotations[:2]
        if not shown:
            silent.append(finding.facet)
            continue
        again = ", ".join(dict.fromkeys(f'"{above[q.text]}"' for q in shown if q.text in above))
        yield f"{finding.facet}{values.get(points[finding.facet], '')}:{f' see {again}' if again else ''}"
        yield from (
            f'- {"aside: " if q.is_aside else ""}"{q.text}" [section {q.anchor}]' for q in shown if q.text not in above
        )
        above |= {q.text: finding.facet for q in shown if q.text not in above}
    if silent:
        yield f"not found: {', '.join(silent)}"
