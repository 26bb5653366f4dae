"""Print what the literature says: papers, sections, passages, facts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Self

from ml_intern.cli.invocation import Invocation
from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.literature.library import Library
from ml_intern.literature.rendering import find, labelled, neighbour_line, overview, parts


class Papers:
    """The library of this machine, printing to the terminal of a call.

    Raises:
        ConfigError: from every method, where a paper or a place in it cannot be had: the person must act.
    """

    def __init__(self, invocation: Invocation, *, as_json: bool) -> None:
        self._terminal = invocation.terminal
        self._as_json = as_json
        self._library = Library(invocation.settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, trace
        self._library.close()
        if isinstance(error, ToolError):
            raise ConfigError(str(error)) from error

    def search(self, query: str, *, limit: int) -> None:
        """Print a paper a paragraph, or a line of JSON."""
        if not 1 <= limit <= 100:
            raise ConfigError(f"--limit is {limit}; give 1 to 100")
        found = self._library.search(query, limit=limit)
        for reason in found.passed_over:
            self._terminal.note(reason)
        for paper in found.papers:
            if self._as_json:
                self._terminal.json(asdict(paper))
            else:
                authors = ", ".join(paper.authors)
                cited = "" if paper.citations is None else f"\n    cited {paper.citations} times"
                self._terminal.data(f"{paper.name}  {paper.published}  {paper.title}\n    {authors}{cited}")
        if not found.papers:
            self._terminal.note(f"no paper has all of {query!r}, says {found.service}; use fewer or other words")

    def read(self, reference: str, section: str, *, whole: bool) -> None:
        """Print the contents, a part, or everything."""
        document = self._library.read(reference)
        if self._as_json:
            self._terminal.json(asdict(document))
            return
        known = parts(document)
        if whole:
            for part in known:
                if part.level == 1:
                    self._terminal.data(f"# {part.heading}\n\n{part.text}\n")
        elif not section.strip():
            self._terminal.data(overview(document))
        else:
            self._terminal.data(labelled(document, section) or find(known, section).text)

    def ask(self, questions: Sequence[str], references: Sequence[str], *, limit: int) -> None:
        """Print the passages, best first."""
        if not 1 <= limit <= 50:
            raise ConfigError(f"--limit is {limit}; give 1 to 50")
        if not any(re.search(r"\w", question) for question in questions):
            raise ConfigError("the question has no word")
        hits = self._library.ask(questions, references, limit=limit)
        if not hits:
            asked = "use others" if references else "papers that were never read are asked only if --paper names them"
            self._terminal.note(f"no passage has any of these words; {asked}")
        elif absent := self._library.absent(questions, references):
            self._terminal.note(f"these words stand nowhere there: {', '.join(absent)}")
        for hit in hits:
            if self._as_json:
                self._terminal.json(asdict(hit))
            else:
                place = f"section {hit.passage.anchor}" + (f", page {hit.passage.page}" if hit.passage.page else "")
                self._terminal.data(f"{hit.paper}, {place}\n{hit.passage.text}\n")

    def related(self, reference: str, kind: str, *, limit: int) -> None:
        """Print what a paper cites, who cites it, or which repositories name it."""
        if not 1 <= limit <= 1000:
            raise ConfigError(f"--limit is {limit}; give 1 to 1000")
        if kind == "repositories":
            self._repositories(reference, limit=limit)
            return
        ask = self._library.references if kind == "references" else self._library.citations
        for neighbour in ask(reference, limit=limit):
            if self._as_json:
                self._terminal.json(asdict(neighbour))
            else:
                self._terminal.data(neighbour_line(neighbour))

    def _repositories(self, reference: str, *, limit: int) -> None:
        linked = self._library.linked(reference)
        if self._as_json:
            self._terminal.json(asdict(linked))
            return
        for name, found in (("model", linked.models), ("data set", linked.datasets)):
            for repository in found[:limit]:
                self._terminal.data(f"{name}  {repository}")
        if linked.code:
            self._terminal.data(f"code  {linked.code}")

    def sweep(self, reference: str) -> None:
        """Print each fact with its quotations."""
        for finding in self._library.sweep(reference):
            if self._as_json:
                quotations = [asdict(quotation) for quotation in finding.quotations]
                self._terminal.json({"facet": finding.facet, "quotations": quotations})
                continue
            self._terminal.data(f"{finding.facet}{'' if finding.quotations else ': not found'}")
            for quotation in finding.quotations:
                mark = "aside: " if quotation.is_aside else ""
                self._terminal.data(f'  {mark}"{quotation.text}" [section {quotation.anchor}]')
