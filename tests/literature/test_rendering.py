from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from literature.arxiv_server import VISION
from ml_intern.core.errors import ToolError
from ml_intern.literature.document import Block, Content, Document, Section
from ml_intern.literature.rendering import entry, find, pages, parts


def section(number: str, title: str, level: int, *texts: str, page: int | None = None) -> Section:
    blocks = tuple(Block(kind="paragraph", text=text, page=page) for text in texts)
    return Section(number=number, title=title, level=level, blocks=blocks)


def document(*sections: Section, references: tuple[str, ...] = ()) -> Document:
    entries = tuple(Block(kind="reference", text=reference) for reference in references)
    content = Content(sections=sections, references=entries)
    return Document(paper=VISION, source="html", passed_over=(), is_settled=True, content=content)


PAPER = parts(
    document(
        section("", "", 1, "authors"),
        section("1", "Introduction", 1, "why"),
        section("3", "Model", 1),
        section("3.1", "Encoder", 2, "stack"),
        section("3.1.1", "Attention Heads", 3, "heads"),
        section("3.2", "Decoder", 2, "other"),
        section("", "Model", 1, "again"),
        section("", "Model", 1, "and again"),
        section("A", "Training Details", 1, "seven epochs"),
        references=("[1] one", "[2] two"),
    )
)


def test_a_part_is_a_section_with_its_subsections_and_every_anchor_is_unique() -> None:
    assert [(part.anchor, part.text) for part in PAPER] == [
        ("Front matter", "authors"),
        ("1", "why"),
        ("3", "## 3.1 Encoder\n\nstack".replace("##", "###") + "\n\n#### 3.1.1 Attention Heads\n\nheads"
         "\n\n### 3.2 Decoder\n\nother"),
        ("3.1", "stack\n\n#### 3.1.1 Attention Heads\n\nheads"),
        ("3.1.1", "heads"),
        ("3.2", "other"),
        ("Model", "again"),
        ("Model (2)", "and again"),
        ("A", "seven epochs"),
        ("References", "[1] one\n\n[2] two"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "anchor"),
    [
        ("3.1", "3.1"),
        ("Section 3.1.", "3.1"),
        ("§3.1.1", "3.1.1"),
        ("appendix a", "A"),
        ("a", "A"),
        ("ENCODER", "3.1"),
        ("3.1 encoder", "3.1"),
        ("  attention   heads ", "3.1.1"),
        ("training", "A"),
        ("references", "References"),
        ("front matter", "Front matter"),
        ("model (2)", "Model (2)"),
        ("3 Model", "3"),
    ],
)
def test_a_section_is_found_by_number_title_or_a_piece_of_it(wanted: str, anchor: str) -> None:
    assert find(PAPER, wanted).anchor == anchor


def test_an_unknown_section_lists_the_known() -> None:
    with pytest.raises(ToolError, match=r"'7.3' is no section .* 1, 3, 3.1, 3.1.1, 3.2, Model, Model \(2\), A, Ref"):
        find(PAPER, "7.3")


def test_what_a_catalogue_or_a_paper_has_too_much_of_is_cut() -> None:
    crowd = parts(document(*(section(str(n), f"Part {n}", 1) for n in range(3000))))
    with pytest.raises(ToolError) as refused:
        find(crowd, "nothing")

    assert len(entry(replace(VISION, abstract="word " * 300_000))) < 3_000
    assert len(str(refused.value)) < 1_000
    assert "more" in str(refused.value)


def test_a_piece_of_several_titles_lists_those() -> None:
    with pytest.raises(ToolError, match=r"fits several sections; give one of: 3.1, 3.2$"):
        find(PAPER, "coder")


def test_every_anchor_leads_to_its_part() -> None:
    assert [find(PAPER, part.anchor) for part in PAPER] == list(PAPER)


def test_the_pages_of_the_source_are_marked_where_they_begin() -> None:
    first = document(section("1", "One", 1, "a", "b", page=2), section("1.1", "Two", 2, "c", page=3))

    assert parts(first)[0].text == "[page 2]\n\na\n\nb\n\n### 1.1 Two\n\n[page 3]\n\nc"


@given(st.text(alphabet="ab \n|", max_size=400), st.integers(min_value=2, max_value=50))
def test_pages_keep_the_limit_and_joined_give_the_text_back(text: str, limit: int) -> None:
    cut = pages(text, limit=limit)

    assert "".join(cut) == text
    assert all(len(page) <= limit for page in cut)
    assert all(cut[:-1])


def test_pages_end_with_a_paragraph_where_they_can() -> None:
    assert pages("a" * 30 + "\n\n" + "b" * 30, limit=40) == ("a" * 30 + "\n\n", "b" * 30)
