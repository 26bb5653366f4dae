from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from literature import eprints, pages, pdfs
from literature.arxiv_server import OLD, VISION, Answer, ArXiv, settings
from literature.virtual_time import VirtualTime
from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.literature.gate import Gate
from ml_intern.literature.hub_papers import Linked
from ml_intern.literature.library import FRESH, Found, Library
from ml_intern.literature.scholar import Neighbour

DAY = FRESH + 1
NO_VERSION = "AR5IV: it does not say which version it has, and this is version 2"
NO_TEX = "TEX: the service answers 404"


SCHOLAR = {
    "title": VISION.title,
    "year": 2021,
    "publicationDate": "2021-01-04",
    "externalIds": {"ArXiv": "2101.00001", "CorpusId": 1},
    "citationCount": 7,
    "authors": [{"name": "Ada Example"}],
}
HUB = {
    "id": "2101.00001",
    "title": VISION.title,
    "summary": "We cut.",
    "publishedAt": "2021-01-04T00:00:00.000Z",
    "authors": [{"name": "Ada Example"}],
}


@pytest.fixture
def open_library(tmp_path: Path, arxiv: ArXiv, time: VirtualTime) -> Iterator[Callable[[], Library]]:
    opened: list[Library] = []

    def open_one() -> Library:
        gate = Gate(tmp_path / "cache" / "arxiv", clock=time.clock, sleep=time.sleep)
        opened.append(Library(settings(tmp_path, arxiv.base), clock=time.clock, gate=gate))
        return opened[-1]

    yield open_one
    for library in opened:
        library.close()


Open = Callable[[], Library]


def test_the_html_is_read_where_it_is_good(open_library: Open, arxiv: ArXiv) -> None:
    arxiv.files["/html/2101.00001v2"] = pages.whole()

    document = open_library().read("2101.00001")

    assert (document.paper, document.source, document.passed_over) == (VISION, "html", ())
    assert arxiv.paths == ["/api/query", "/html/2101.00001v2"]


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        (None, "HTML: the service answers 404"),
        (b"<html><body>sorry</body></html>", "HTML: the page holds no converted paper"),
        (b" " * 26_000_000, "HTML: it is larger than 25 MB"),
    ],
)
def test_a_refused_html_leads_to_the_pdf_and_the_document_says_why(
    open_library: Open, arxiv: ArXiv, html: bytes | None, reason: str
) -> None:
    arxiv.files["/pdf/2101.00001v2"] = pdfs.paper()
    if html is not None:
        arxiv.files["/html/2101.00001v2"] = html

    document = open_library().read("https://arxiv.org/abs/2101.00001v2")

    assert (document.source, document.passed_over, document.is_settled) == ("pdf", (reason, NO_VERSION, NO_TEX), True)


def test_the_latex_is_read_where_no_html_is_good_and_before_the_pdf(open_library: Open, arxiv: ArXiv) -> None:
    arxiv.files |= {"/e-print/2101.00001v2": eprints.whole(), "/pdf/2101.00001v2": pdfs.paper()}

    document = open_library().read("2101.00001")

    assert (document.source, document.passed_over) == ("tex", ("HTML: the service answers 404", NO_VERSION))
    assert document.content.sections[-1].blocks[0].text == "We train for 7 epochs."


def test_a_source_without_tex_leads_to_the_pdf(open_library: Open, arxiv: ArXiv) -> None:
    arxiv.files |= {"/e-print/2101.00001v2": pdfs.paper(), "/pdf/2101.00001v2": pdfs.paper()}

    document = open_library().read("2101.00001")

    assert (document.source, document.passed_over[-1]) == ("pdf", "TEX: the authors sent a PDF and no TeX")


def test_a_pdf_of_another_paper_is_refused(open_library: Open, arxiv: ArXiv) -> None:
    arxiv.files["/pdf/cs/0112017v1"] = pdfs.paper()

    with pytest.raises(ToolError, match="PDF: the file has the title of another paper"):
        open_library().read("cs/0112017v1")


def test_a_pdf_without_headings_is_read_and_says_so(open_library: Open, arxiv: ArXiv) -> None:
    arxiv.files["/pdf/cs/0112017v1"] = pdfs.pdf(["On Old Identi-", "fiers", *[pdfs.FILLING] * 20])

    assert "No heading was found, so the text is one section." in open_library().read("cs/0112017v1").content.notes


def test_what_was_read_once_is_read_again_without_a_request(
    open_library: Open, arxiv: ArXiv, time: VirtualTime
) -> None:
    arxiv.files["/pdf/cs/0112017v1"] = pdfs.paper("On Old Identifiers")
    first = open_library().read("cs/0112017v1")
    asked = len(arxiv.asked)
    time.now += 1000 * DAY
    arxiv.files.clear()

    assert open_library().read("cs/0112017v1") == first
    assert len(arxiv.asked) == asked


def test_the_newest_version_is_asked_for_once_a_day(open_library: Open, arxiv: ArXiv, time: VirtualTime) -> None:
    arxiv.files["/html/2101.00001v2"] = pages.whole()
    library = open_library()
    for pause in (0, 10, DAY):
        time.now += pause
        library.read("2101.00001")

    assert arxiv.paths == ["/api/query", "/html/2101.00001v2", "/api/query"]


def test_when_the_newest_cannot_be_asked_for_the_known_version_serves(
    open_library: Open, arxiv: ArXiv, time: VirtualTime
) -> None:
    arxiv.files["/html/2101.00001v2"] = pages.whole()
    first = open_library().read("2101.00001")
    time.now += DAY
    arxiv.fail("/api/query", *[Answer(status=500)] * 3)

    assert open_library().read("2101.00001") == first


def test_a_better_source_that_failed_in_passing_is_tried_again_the_next_day(
    open_library: Open, arxiv: ArXiv, time: VirtualTime
) -> None:
    arxiv.files |= {"/html/2101.00001v2": pages.whole(), "/pdf/2101.00001v2": pdfs.paper()}
    arxiv.fail("/html/2101.00001v2", *[Answer(status=500)] * 3)
    library = open_library()

    read = [library.read("2101.00001v2").source]
    read.append(library.read("2101.00001v2").source)
    time.now += DAY
    read.append(library.read("2101.00001v2").source)

    assert read == ["pdf", "pdf", "html"]


def test_a_damaged_file_of_the_cache_is_read_anew(open_library: Open, arxiv: ArXiv, tmp_path: Path) -> None:
    arxiv.files["/html/2101.00001v2"] = pages.whole()
    first = open_library().read("2101.00001v2")
    kept = next((tmp_path / "cache" / "arxiv").glob("documents-*/2101.00001v2.json"))
    kept.write_bytes(kept.read_bytes()[:100])

    assert open_library().read("2101.00001v2") == first


def test_nothing_half_written_is_left_in_the_cache(open_library: Open, arxiv: ArXiv, tmp_path: Path) -> None:
    arxiv.files["/html/2101.00001v2"] = pages.whole()
    open_library().read("2101.00001")

    files = sorted(str(path.relative_to(tmp_path / "cache")) for path in tmp_path.rglob("*") if path.is_file())

    assert files == [
        "arxiv/catalogue/2101.00001.json",
        "arxiv/catalogue/2101.00001v2.json",
        "arxiv/documents-4/2101.00001v2.json",
        "arxiv/documents-4/passages-1.db",
        "arxiv/gate",
    ]


def test_a_paper_without_any_text_says_what_was_tried(open_library: Open, arxiv: ArXiv) -> None:
    arxiv.files["/pdf/2101.00001v2"] = b"<html>captcha</html>"

    with pytest.raises(ToolError, match=r"HTML: the service answers 404; AR5IV: .*; TEX: .*; PDF: it is no PDF"):
        open_library().read("2101.00001v2")


def test_every_request_to_arxiv_keeps_its_distance(open_library: Open, arxiv: ArXiv, time: VirtualTime) -> None:
    arxiv.files["/pdf/2101.00001v2"] = pdfs.paper()
    open_library().read("2101.00001")

    assert (len(arxiv.asked), time.slept) == (4, [3.1, 3.1, 3.1])


@pytest.mark.parametrize("reference", ["../../etc/passwd", "2101.00001v2/../../x", "2101.00001%2f.."])
def test_a_reference_with_tricks_is_refused_without_a_request(open_library: Open, arxiv: ArXiv, reference: str) -> None:
    with pytest.raises(ToolError, match="no arXiv identifier"):
        open_library().read(reference)
    assert arxiv.asked == []


def test_a_search_for_an_identifier_gives_that_paper(open_library: Open) -> None:
    assert open_library().search("arXiv:2101.00001", limit=5) == Found(papers=(VISION,), service="arXiv")


def test_where_arxiv_is_busy_the_hub_is_searched_and_then_semantic_scholar(open_library: Open, arxiv: ArXiv) -> None:
    busy = Answer(status=429, headers={"Retry-After": "900"})
    arxiv.fail("/api/query", busy, busy, busy)
    with pytest.raises(ToolError, match="arXiv asks this machine to send no request now"):
        open_library().search("small vision", limit=5)
    found: list[Found] = []
    arxiv.files["/graph/v1/paper/search"] = json.dumps({"data": [SCHOLAR, {"title": "Elsewhere"}]}).encode()
    found.append(open_library().search("small vision", limit=5))
    arxiv.files["/api/papers/search"] = json.dumps([HUB, {"id": "no identifier", "title": "x"}]).encode()
    found.append(open_library().search("small vision", limit=5))

    assert [(f.service, [paper.id for paper in f.papers]) for f in found] == [
        ("Semantic Scholar", ["2101.00001"]),
        ("the Hugging Face Hub", ["2101.00001"]),
    ]
    assert found[0].papers[0].published == "2021-01-04"
    assert [f.papers[0].name for f in found] == ["2101.00001", "2101.00001"]  # neither knows the newest version
    assert (found[0].papers[0].citations, found[1].papers[0].citations) == (SCHOLAR["citationCount"], None)
    assert "arXiv asks this machine" in found[1].passed_over[0]


def test_a_query_that_nobody_can_answer_is_not_passed_on(open_library: Open, arxiv: ArXiv) -> None:
    with pytest.raises(ToolError, match="no words"):
        open_library().search("...", limit=5)
    assert arxiv.asked == []


def test_ar5iv_serves_a_first_version_that_arxiv_has_not_converted(open_library: Open, arxiv: ArXiv) -> None:
    arxiv.papers = [replace(VISION, version=1), OLD]
    arxiv.files["/ar5iv/2101.00001"] = pages.whole()

    document = open_library().read("2101.00001")

    assert (document.source, document.passed_over) == ("ar5iv", ("HTML: the service answers 404",))


def test_what_a_paper_cites_who_cites_it_and_what_names_it(open_library: Open, arxiv: ArXiv) -> None:
    arxiv.files["/graph/v1/paper/arXiv:2101.00001/references"] = json.dumps(
        {"data": [{"citedPaper": SCHOLAR}]}
    ).encode()
    arxiv.files["/graph/v1/paper/arXiv:2101.00001/citations"] = json.dumps(
        {"data": [{"citingPaper": {"title": "Later", "year": 2024}}, {"citingPaper": None}]}
    ).encode()
    arxiv.files["/api/papers/2101.00001"] = json.dumps(
        {**HUB, "linkedModels": [{"id": "ada/small"}], "linkedDatasets": [], "githubRepo": "a repository"}
    ).encode()
    library = open_library()

    (cited,), (citing,) = library.references("2101.00001v2", limit=5), library.citations("2101.00001", limit=5)

    assert cited == Neighbour(title=VISION.title, year=2021, authors=("Ada Example",), id="2101.00001", citations=7)
    assert citing == Neighbour(title="Later", year=2024, authors=(), id=None, citations=None)
    assert library.linked("2101.00001") == Linked(models=("ada/small",), datasets=(), code="a repository")


def test_what_semantic_scholar_does_not_know_is_said(open_library: Open) -> None:
    with pytest.raises(ToolError, match="Semantic Scholar gives nothing: the service answers 404"):
        open_library().citations("2101.00001", limit=5)


def test_the_last_submitted_papers_are_asked_for_in_that_order(open_library: Open, arxiv: ArXiv) -> None:
    assert open_library().newest("small vision", limit=5) == (VISION,)
    assert "sortBy=submittedDate" in arxiv.asked[-1]


def test_a_cache_that_cannot_be_written_is_for_the_person_to_mend(open_library: Open, tmp_path: Path) -> None:
    (tmp_path / "cache" / "arxiv").mkdir(parents=True)
    (tmp_path / "cache" / "arxiv" / "catalogue").write_text("in the way")

    with pytest.raises(ConfigError, match="cannot be written"):
        open_library().read("2101.00001")
