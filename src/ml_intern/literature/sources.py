"""The places a paper can be read from; the library asks them best first."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ml_intern.literature.client import Absent, Client, Endpoints
from ml_intern.literature.docling import converter, read_docling
from ml_intern.literature.document import Content, Refusal, SourceName
from ml_intern.literature.html import read_html
from ml_intern.literature.paper import Paper
from ml_intern.literature.pdf import of_paper, read_pdf
from ml_intern.literature.tex.reading import read_tex

HTML_LIMIT = 25_000_000
TEX_LIMIT = 80_000_000
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


class Ar5ivSource:
    """The same conversion made by ar5iv, for papers that arXiv has not converted. It keeps the newest version only."""

    name: SourceName = "ar5iv"

    def __init__(self, client: Client, endpoints: Endpoints) -> None:
        self._client = client
        self._endpoints = endpoints

    def read(self, paper: Paper) -> Content | Refusal:
        """Fetch and read the page; refuses what is no whole conversion of this paper, and a paper with versions."""
        if paper.version > 1:
            return Refusal(reason=f"it does not say which version it has, and this is version {paper.version}")
        answer = self._client.get(f"{self._endpoints.ar5iv}/{paper.id}", limit=HTML_LIMIT)
        if isinstance(answer, Absent):
            return Refusal(reason=answer.reason, lasting=answer.lasting)
        return read_html(answer.body, paper.title)


class TexSource:
    """What the authors sent: LaTeX of equations and cells of tables survive; read without a TeX system."""

    name: SourceName = "tex"

    def __init__(self, client: Client, endpoints: Endpoints) -> None:
        self._client = client
        self._endpoints = endpoints

    def read(self, paper: Paper) -> Content | Refusal:
        """Fetch and read the e-print; refuses what has another title, no sections, or macros that do not resolve."""
        answer = self._client.get(f"{self._endpoints.eprint}/{paper.name}", limit=TEX_LIMIT)
        if isinstance(answer, Absent):
            return Refusal(reason=answer.reason, lasting=answer.lasting)
        return read_tex(answer.body, paper.title)


class PdfSource:
    """The PDF that every paper has, read by its layout, or by docling with the models in a folder."""

    name: SourceName = "pdf"

    def __init__(self, client: Client, endpoints: Endpoints, docling: Path | None = None) -> None:
        self._client = client
        self._endpoints = endpoints
        self._docling = docling

    def read(self, paper: Paper) -> Content | Refusal:
        """Fetch the file and read its text layer; refuses what has another title.

        Raises:
            ConfigError: docling is asked for, and is not installed or has no models.
        """
        convert = converter(self._docling) if self._docling else None
        answer = self._client.get(f"{self._endpoints.pdf}/{paper.name}", limit=PDF_LIMIT)
        if isinstance(answer, Absent):
            return Refusal(reason=answer.reason, lasting=answer.lasting)
        if not answer.body.startswith(b"%PDF-"):
            return Refusal(reason=f"it is no PDF but {answer.media_type or 'of an unknown kind'}", lasting=False)
        content = read_docling(answer.body, convert) if convert else read_pdf(answer.body)
        return content if isinstance(content, Refusal) else of_paper(content, paper.title)
