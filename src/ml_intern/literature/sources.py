"""The places a paper can be read from; the library asks them best first."""

from __future__ import annotations

from typing import Protocol

from ml_intern.literature.client import Absent, Client, Endpoints
from ml_intern.literature.document import Content, Refusal, SourceName
from ml_intern.literature.html import read_html
from ml_intern.literature.paper import Paper
from ml_intern.literature.pdf import read_pdf

HTML_LIMIT = 25_000_000
PDF_LIMIT = 80_000_000
"""Bytes; larger papers exist, but hold pictures and not text."""


class Source(Protocol):
    """One way to read a paper."""

    @property
    def name(self) -> SourceName:
        """How documents name it."""
        ...

    def read(self, paper: Paper) -> Content | Refusal:
        """Fetch and read `paper`, or say why this source cannot.

        Raises:
            ToolError: arXiv cannot be asked at all just now.
        """
        ...


class HtmlSource:
    """arXiv's own HTML, made from the authors' LaTeX: equations and tables survive."""

    name: SourceName = "html"

    def __init__(self, client: Client, endpoints: Endpoints) -> None:
        self._client = client
        self._endpoints = endpoints

    def read(self, paper: Paper) -> Content | Refusal:
        """Fetch and read the page; refuses what is no whole conversion of this paper."""
        answer = self._client.get(f"{self._endpoints.html}/{paper.name}", limit=HTML_LIMIT)
        if isinstance(answer, Absent):
            return Refusal(reason=answer.reason, lasting=answer.lasting)
        return read_html(answer.body, paper.title)


class PdfSource:
    """The PDF that every paper has: plain text only."""

    name: SourceName = "pdf"

    def __init__(self, client: Client, endpoints: Endpoints) -> None:
        self._client = client
        self._endpoints = endpoints

    def read(self, paper: Paper) -> Content | Refusal:
        """Fetch the file and read its text layer."""
        answer = self._client.get(f"{self._endpoints.pdf}/{paper.name}", limit=PDF_LIMIT)
        if isinstance(answer, Absent):
            return Refusal(reason=answer.reason, lasting=answer.lasting)
        if not answer.body.startswith(b"%PDF-"):
            return Refusal(reason=f"it is no PDF but {answer.media_type or 'of an unknown kind'}", lasting=False)
        return read_pdf(answer.body)
