from __future__ import annotations

import pytest

from literature import pdfs
from ml_intern.literature.document import Content, Refusal
from ml_intern.literature.numbering import headings
from ml_intern.literature.pdf import read_pdf
from ml_intern.literature.pdf_content import NOTE
from ml_intern.literature.plain_text import content_of


def read(file: bytes) -> Content:
    content = read_pdf(file)
    assert isinstance(content, Content)
    return content


def test_the_numbered_headings_of_a_pdf_become_sections_and_the_list_does_not() -> None:
    content = read(pdfs.paper())

    assert [(s.number, s.title, s.level) for s in content.sections] == [
        ("", "", 1),
        ("", "Abstract", 1),
        ("1", "Introduction", 1),
        ("2", "Method", 1),
        ("2.1", "Attention", 2),
        ("3", "Results", 1),
        ("A", "Settings", 1),
    ]
    assert [(block.kind, block.page, block.text) for block in content.references] == [
        ("reference", 2, "[1] A. Author. An old net. In a journal, 1989."),
        ("reference", 2, "[2] B. Writer. A new net. 2020."),
    ]
    assert content.notes == (NOTE,)


def test_words_broken_at_a_line_end_are_joined_and_compounds_keep_their_hyphen() -> None:
    introduction = read(pdfs.paper()).sections[2].blocks[0].text

    assert "Some are pre-trained on many" in introduction
    assert "a new representation of patches" in introduction


def test_a_word_with_several_hyphens_keeps_that_at_the_end_of_a_line() -> None:
    told = "attention is the art to read from left to right\n"
    text = told + "state-of-the-\nart and left-\nto-right and self-atten-\ntion and gra-\ndient"

    (section,) = content_of([text], why="a test").sections

    assert section.blocks[0].text.endswith("state-of-the-art and left-to-right and self-attention and gradient")


def test_each_block_knows_its_page() -> None:
    attention = read(pdfs.paper()).sections[4]

    assert [(block.page, block.text) for block in attention.blocks] == [(1, "Heads 8 12 16"), (2, pdfs.FILLING)]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "damaged or encrypted"),
        (b"%PDF-1.4 and nothing more", "damaged or encrypted"),
        (pdfs.paper()[:200], "damaged or encrypted"),
        (pdfs.pdf(["Scanned"], [""]), "no text layer"),
    ],
)
def test_a_file_without_text_is_refused_with_the_reason(file: bytes, reason: str) -> None:
    refusal = read_pdf(file)

    assert isinstance(refusal, Refusal)
    assert reason in refusal.reason
    assert refusal.lasting


def test_references_without_numbers_stay_whole_and_appendices_follow() -> None:
    content = content_of(
        [f"1 Introduction\n{pdfs.FILLING}\nReferences\nAuthor, A. 1989. An old\nnet.\nA Settings\nx"], why="x"
    )

    assert [block.text for block in content.references] == ["Author, A. 1989. An old\nnet."]
    assert content.sections[-1].number == "A"


def test_pages_without_usual_words_are_named() -> None:
    told = "this is the text of a page that has many words in it as all pages have " * 10
    wrong = told.translate(str.maketrans("abcdefghijklmnopqrstuvwxyz", "defghijklmnopqrstuvwxyzabc"))

    content = content_of([f"1 Introduction\n{told}", wrong, "few words"], why="x")

    assert content.notes[1:] == (
        "Pages with hardly any usual English word: 2. They are in another language, or the file gives wrong letters for"
        " its signs.",
    )
    assert content_of([told, "few strange words"], why="x").notes[1:] == ()


def test_characters_without_a_meaning_are_counted() -> None:
    content = content_of(["1 Introduction\n" + "\ufffd" * 10 + "x" * 75], why="x")

    assert content.notes[1:] == ("10% of its characters have no known meaning.",)


def test_a_paper_without_headings_is_one_section() -> None:
    content = content_of(["only\ntext", "of two pages"], why="x")

    assert [(s.title, [b.text for b in s.blocks]) for s in content.sections] == [("", ["only\ntext", "of two pages"])]


def test_no_page_gives_no_section() -> None:
    assert content_of([], why="x").sections == ()


BODY = "a line of running text that fills the whole width of its column"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["1 Introduction", "3 Heads", "2 Method", "12 Layers"], ["1", "2"]),
        (["1. Introduction", "2. Method", "References", "3. Jones. Deep Nets", "4. Miller. Wide Nets"], ["1", "2"]),
        (["1 Introduction", "3 Results", "4 Discussion", "5 Conclusion"], ["1", "3", "4", "5"]),
        (["1 Introduction 3", "2 Method 5", BODY, "1 Introduction", "2 Method"], ["1", "2"]),
        (["1 Introduction", "2 Method", "A new net", "A Proofs", "A.1 Lemma", "B Data"], ["1", "2", "A", "A.1", "B"]),
        (["A Proofs", "B Data"], []),
        (["1 Introduction", "2 Method", "2.1.1 Too Deep", "2.1 Right"], ["1", "2", "2.1"]),
        ([], []),
    ],
)
def test_headings_are_the_best_chain_of_numbers(lines: list[str], found: list[str]) -> None:
    assert [heading.number for heading in headings(lines) if heading.number] == found


def test_the_true_headings_win_over_a_table_of_contents() -> None:
    lines = ["1 Introduction 3", "2 Method 5", BODY, "1 Introduction", BODY, "2 Method", BODY]

    assert [heading.line for heading in headings(lines)] == [3, 5]


def test_a_title_that_fills_its_line_goes_on_in_the_next() -> None:
    lines = ["1 Introduction", BODY, BODY, "2 Illustrations of the Finer Points on Different", "Tasks", BODY]

    assert headings(lines)[1].title == "Illustrations of the Finer Points on Different Tasks"
