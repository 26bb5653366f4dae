from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from literature import pages, pdfs
from literature.arxiv_server import VISION, Answer, ArXiv
from literature.virtual_time import VirtualTime
from ml_intern.config import Settings
from ml_intern.core.errors import ConfigError, ToolError
from ml_intern.literature.gate import Gate
from ml_intern.literature.library import FRESH, Library

DAY = FRESH + 1


@pytest.fixture
def open_library(tmp_path: Path, arxiv: ArXiv, time: VirtualTime) -> Iterator[Callable[[], Library]]:
    opened: list[Library] = []

    def open_one() -> Library:
        settings = Settings(home=tmp_path, arxiv_endpoint=arxiv.base)
        gate = Gate(tmp_path / "cache" / "arxiv", clock=time.clock, sleep=time.sleep)
        opened.append(Library(settings, clock=time.clock, gate=gate))
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

    assert (document.source, document.passed_over, document.is_settled) == ("pdf", (reason,), True)


def test_what_was_read_once_is_read_again_without_a_request(
    open_library: Open, arxiv: ArXiv, time: VirtualTime
) -> None:
    arxiv.files["/pdf/cs/0112017v1"] = pdfs.paper()
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
        "arxiv/documents-1/2101.00001v2.json",
        "arxiv/gate",
    ]


def test_a_paper_without_any_text_says_what_was_tried(open_library: Open, arxiv: ArXiv) -> None:
    arxiv.files["/pdf/2101.00001v2"] = b"<html>captcha</html>"

    with pytest.raises(ToolError, match="HTML: the service answers 404; PDF: it is no PDF"):
        open_library().read("2101.00001v2")


def test_every_request_to_arxiv_keeps_its_distance(open_library: Open, arxiv: ArXiv, time: VirtualTime) -> None:
    arxiv.files["/pdf/2101.00001v2"] = pdfs.paper()
    open_library().read("2101.00001")

    assert (len(arxiv.asked), time.slept) == (3, [3.1, 3.1])


@pytest.mark.parametrize("reference", ["../../etc/passwd", "2101.00001v2/../../x", "2101.00001%2f.."])
def test_a_reference_with_tricks_is_refused_without_a_request(open_library: Open, arxiv: ArXiv, reference: str) -> None:
    with pytest.raises(ToolError, match="no arXiv identifier"):
        open_library().read(reference)
    assert arxiv.asked == []


def test_a_search_for_an_identifier_gives_that_paper(open_library: Open) -> None:
    assert open_library().search("arXiv:2101.00001", limit=5) == (VISION,)


def test_a_cache_that_cannot_be_written_is_for_the_person_to_mend(open_library: Open, tmp_path: Path) -> None:
    (tmp_path / "cache" / "arxiv").mkdir(parents=True)
    (tmp_path / "cache" / "arxiv" / "catalogue").write_text("in the way")

    with pytest.raises(ConfigError, match="cannot be written"):
        open_library().read("2101.00001")
