"""A small arXiv on this machine: catalogue, HTML and PDF, with faults on demand."""

from __future__ import annotations

import gzip
import threading
import time
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from ml_intern.config import Settings
from ml_intern.literature.paper import Paper

VISION = Paper(
    id="2101.00001",
    version=2,
    title="Patches Are Enough: a Study of Small Vision Networks",
    authors=("Ada Example", "Ben Sample"),
    published="2021-01-04",
    categories=("cs.CV", "cs.LG"),
    abstract="We cut images into patches & learn from them.",
)
OLD = Paper(
    id="cs/0112017",
    version=1,
    title="On Old Identifiers",
    authors=("Cy Ancient",),
    published="2001-12-14",
    categories=("cs.DL",),
    abstract="Identifiers had a slash.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server says once."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class ArXiv:
    """State of the server: `files` by path, `faults` that come first, and what was asked."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.papers = [VISION, OLD]
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, deque[Answer]] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.moments: list[float] = []

    def fail(self, path: str, *answers: Answer) -> None:
        """Give `answers`, in order, before what is really at `path`."""
        self.faults.setdefault(path, deque()).extend(answers)

    @property
    def paths(self) -> list[str]:
        """What was asked, without queries."""
        return [urlsplit(target).path for target in self.asked]

    def answer(self, target: str, headers: dict[str, str]) -> Answer:
        """Decide what to say to a request for `target`."""
        self.asked.append(target)
        self.moments.append(time.monotonic())
        self.headers.append(headers)
        path = urlsplit(target).path
        if self.faults.get(path):
            return self.faults[path].popleft()
        if path == "/api/query":
            return Answer(body=feed(*self._found(parse_qs(urlsplit(target).query))))
        return Answer(body=self.files[path]) if path in self.files else Answer(status=404, body=b"nothing here")

    def _found(self, query: dict[str, list[str]]) -> list[Paper]:
        if "id_list" in query:
            return [paper for paper in self.papers if query["id_list"][0] in {paper.id, paper.name}]
        words = [word.partition(":")[2].lower() for word in query["search_query"][0].split(" AND ")]
        found = [paper for paper in self.papers if all(word in paper.title.lower() for word in words)]
        return found[: int(query["max_results"][0])]


def settings(home: Path, arxiv: str) -> Settings:
    """Give settings in which every service for papers is at the address `arxiv`."""
    return Settings(home=home, arxiv_endpoint=arxiv, hub_endpoint=arxiv, scholar_endpoint=arxiv)


def feed(*papers: Paper) -> bytes:
    """Write an Atom feed as the catalogue does."""
    entries = "".join(
        f"<entry><id>http://arxiv.org/abs/{paper.name}</id><published>{paper.published}T10:00:00Z</published>"
        f"<title>{_wrapped(paper.title)}</title><summary>  {escape(paper.abstract)}\n</summary>"
        + "".join(f"<author><name>{name}</name></author>" for name in paper.authors)
        + "".join(f'<category term="{term}" scheme="http://arxiv.org/schemas/atom"/>' for term in paper.categories)
        + "</entry>"
        for paper in papers
    )
    return f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><id>q</id>{entries}</feed>'.encode()


def _wrapped(title: str) -> str:
    """Break a long title over two lines, as the catalogue does."""
    return escape(title).replace(": ", ":\n  ")


def bomb(size: int) -> Answer:
    """Give zeros that are small on the wire and `size` bytes after decompression."""
    return Answer(body=gzip.compress(bytes(size)), headers={"Content-Encoding": "gzip"})


@contextmanager
def serving() -> Generator[ArXiv]:
    """Run a server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        state: ClassVar[ArXiv]

        def do_GET(self) -> None:
            answer = self.state.answer(self.path, dict(self.headers.items()))
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(answer.body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client had enough

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.state = ArXiv(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Handler.state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
