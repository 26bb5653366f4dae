from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from literature.arxiv_server import OLD, VISION, Answer, ArXiv
from literature.virtual_time import VirtualTime
from ml_intern.core.errors import ToolError
from ml_intern.literature.client import Client
from ml_intern.literature.gate import Gate
from ml_intern.literature.paper import Reference
from ml_intern.literature.search import by_id, search

ERROR = b"""<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>http://arxiv.org/api/errors#x</id>
<title>Error</title><summary>incorrect query</summary></entry></feed>"""
UNTITLED = b"""<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>http://arxiv.org/abs/2101.00001v2</id>
</entry></feed>"""


@pytest.fixture
def client(tmp_path: Path, time: VirtualTime) -> Iterator[Client]:
    client = Client(Gate(tmp_path, clock=time.clock, sleep=time.sleep), clock=time.clock)
    yield client
    client.close()


def test_an_entry_of_the_catalogue_becomes_a_paper(client: Client, arxiv: ArXiv) -> None:
    assert search(client, f"{arxiv.base}/api/query", "patches", limit=5) == (VISION,)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("a study of small networks", "all:study AND all:small AND all:networks"),
        ("16x16 words & more", "all:16x16 AND all:words AND all:more"),
        ("to be", "all:be"),
        ("the", "all:the"),
        ('ti:"deep nets" AND au:he', 'ti:"deep nets" AND au:he'),
        ("x&id_list=1", "all:x AND all:id AND all:list AND all:1"),
    ],
)
def test_plain_words_must_all_occur_and_a_query_with_fields_is_passed_on(
    client: Client, arxiv: ArXiv, query: str, asked: str
) -> None:
    search(client, f"{arxiv.base}/api/query", query, limit=3)

    assert parse_qs(urlsplit(arxiv.asked[0]).query) == {
        "search_query": [asked],
        "max_results": ["3"],
        "sortBy": ["relevance"],
    }


def test_a_query_without_words_is_refused_without_a_request(client: Client, arxiv: ArXiv) -> None:
    with pytest.raises(ToolError, match="no words"):
        search(client, f"{arxiv.base}/api/query", " ?! ", limit=3)
    assert arxiv.asked == []


def test_a_paper_is_found_by_its_identifier_of_old_or_new_style(client: Client, arxiv: ArXiv) -> None:
    api = f"{arxiv.base}/api/query"

    assert by_id(client, api, Reference(id="2101.00001")) == VISION
    assert by_id(client, api, Reference(id="cs/0112017", version=1)) == OLD


@pytest.mark.parametrize("reference", [Reference(id="2101.99999"), Reference(id="2101.00001", version=9)])
def test_a_paper_or_version_that_does_not_exist_is_not_found(
    client: Client, arxiv: ArXiv, reference: Reference
) -> None:
    with pytest.raises(ToolError, match=f"no paper {reference}"):
        by_id(client, f"{arxiv.base}/api/query", reference)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (ERROR, "incorrect query"),
        (UNTITLED, "no paper"),
        (b"<html><body>busy</body></html>", "<html> instead of a feed"),
        (b"busy", "unreadable"),
        (b'<!DOCTYPE f [<!ENTITY a "b">]><feed>&a;</feed>', "document type"),
        (bytes(5_000_000), "larger than 4 MB"),
    ],
)
def test_a_bad_answer_of_the_catalogue_is_said(client: Client, arxiv: ArXiv, body: bytes, message: str) -> None:
    arxiv.fail("/api/query", Answer(body=body))

    with pytest.raises(ToolError, match=message):
        by_id(client, f"{arxiv.base}/api/query", Reference(id="2101.00001"))
