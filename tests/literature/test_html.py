from __future__ import annotations

import pytest

from literature import pages
from ml_intern.literature.document import Block, Content, Refusal, Section
from ml_intern.literature.html import read_html

TITLE = "Patches Are Enough: a Study of Small Vision Networks"
TABLE = """| Net | Accuracy |  |
| --- | --- | --- |
|  | top-1 | top-5 |
| small |  | 91.5 |
| a\\|b | $\\vert x\\vert $ | 93.0 |"""
ROWS = tuple(tuple(line.strip("|")[1:-1].split(" | ")) for line in TABLE.splitlines() if "---" not in line)


def paragraph(text: str) -> Block:
    return Block(kind="paragraph", text=text)


def section(number: str, title: str, level: int, *blocks: Block) -> Section:
    return Section(number=number, title=title, level=level, blocks=blocks)


def read(*parts: str) -> Content:
    content = read_html(pages.page(*parts), TITLE)
    assert isinstance(content, Content)
    return content


def test_a_page_becomes_sections_with_equations_tables_captions_and_references_apart() -> None:
    attention = r"$$\mathrm{A}(Q,K,V)=\mathrm{softmax}(\frac{QK^{T}}{\sqrt{d_{k}}})V$$ (1)"

    assert read_html(pages.whole(), TITLE) == Content(
        sections=(
            section("", "", 1, paragraph("Ada Example")),
            section("", "Abstract", 1, paragraph("We cut images into patches.")),
            section(
                "1",
                "Introduction",
                1,
                paragraph("Networks of patches are old [1], see [note: Code is elsewhere.] for $d_{k}=64$."),
                paragraph("We show:"),
                Block(kind="item", text="- patches suffice;"),
                Block(kind="item", text="- nets are small."),
            ),
            section("2", "Method", 1),
            section(
                "2.1",
                "Attention",
                2,
                paragraph("We weigh values:"),
                Block(kind="equation", text=attention),
                paragraph("where the root keeps the scale."),
                paragraph("**Dropout**"),
                paragraph("We drop $P=0.1$."),
            ),
            section(
                "3",
                "Results",
                1,
                Block(kind="caption", text="Table 1: Accuracy of all nets."),
                Block(kind="table", text=TABLE, rows=ROWS),
                paragraph("Words outside of any paragraph stay."),
            ),
            section("A", "Settings", 1, paragraph("We train for 7 epochs.")),
        ),
        references=(Block(kind="reference", text="[1] A. Author. An old net. 1989."),),
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "cannot be parsed"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"<div>" * 300, "too deeply"),
        (b"<html><body><p>No HTML for this paper</p></body></html>", "no converted paper"),
        (pages.page(pages.INTRODUCTION, pages.METHOD, title="Another Paper about Other Things"), "another paper"),
        (pages.whole().replace(b"ltx_title_document", b"x"), "another paper"),
        (pages.page(pages.ABSTRACT, pages.INTRODUCTION, pages.REFERENCES), "only 1 sections"),
    ],
)
def test_a_page_that_does_not_stand_for_the_paper_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    content = read_html(body, TITLE)

    assert isinstance(content, Refusal)
    assert reason in content.reason


def broken(paragraphs: int) -> str:
    error = '<span class="ltx_ERROR undefined">\\foo</span>'
    return "".join(f'<p class="ltx_p">word {error}</p>' for _ in range(paragraphs))


def test_a_page_with_many_failed_macros_is_refused() -> None:
    content = read_html(pages.page(pages.INTRODUCTION, pages.METHOD, pages.RESULTS, broken(5)), TITLE)

    assert isinstance(content, Refusal)
    assert "conversion failed in 5 of" in content.reason


def test_a_few_failed_macros_are_marked_in_the_text_and_counted() -> None:
    fine = '<p class="ltx_p">A fine paragraph.</p>' * 40
    content = read(pages.INTRODUCTION, pages.METHOD, pages.RESULTS, fine, broken(1))

    assert content.notes == ("1 of 54 paragraphs have a macro that was not converted.",)
    assert r"word [not converted: \foo]" in content.sections[-1].blocks[-1].text


def test_tables_in_running_text_in_spans_and_in_cells_lose_no_word() -> None:
    inner = '<span class="ltx_tabular"><span class="ltx_tr"><span class="ltx_td">in</span></span></span>'
    text = f"""<p class="ltx_p">before <span class="ltx_text"><span class="ltx_tabular"><span class="ltx_tr"><span
class="ltx_td">x{inner}</span><span class="ltx_td">y</span></span></span></span> after</p>"""
    blocks = read(text, pages.INTRODUCTION, pages.METHOD, pages.RESULTS).sections[0].blocks

    assert [block.text for block in blocks[1:]] == ["before", "| xin | y |\n| --- | --- |", "after"]


def test_an_option_that_was_not_given_and_the_mark_of_a_note_that_stands_elsewhere_are_left_out() -> None:
    text = r"""<p class="ltx_p">so <math alttext="\begin{array}[]{c}1\end{array}"></math> is<span class="ltx_note
ltx_role_footnotemark"><sup class="ltx_note_mark">1</sup><span class="ltx_note_outer"><span class="ltx_note_content"
><sup class="ltx_note_mark">1</sup><span class="ltx_note_type">footnotemark: </span></span></span></span> one</p>"""
    blocks = read(text, pages.INTRODUCTION, pages.METHOD, pages.RESULTS).sections[0].blocks

    assert blocks[-1].text == r"so $\begin{array}{c}1\end{array}$ is one"


def test_a_span_of_a_billion_columns_is_taken_for_one() -> None:
    table = '<table class="ltx_tabular"><tr><td colspan="999999999">a</td><td rowspan="²">b</td></tr></table>'
    blocks = read(table, pages.INTRODUCTION, pages.METHOD, pages.RESULTS).sections[0].blocks

    assert blocks[-1] == Block(kind="table", text="| a | b |\n| --- | --- |", rows=(("a", "b"),))


def test_lists_with_names_and_code_keep_their_marks_and_lines() -> None:
    text = """<dl class="ltx_description"><dt class="ltx_item"><span class="ltx_tag">Depth</span></dt>
<dd class="ltx_item"><p class="ltx_p">is 12.</p></dd></dl><ol><li class="ltx_item"><span class="ltx_tag">1.</span>
<p class="ltx_p">First.</p></li></ol><div class="ltx_listing"><div class="ltx_listingline">for x in y:</div>
<div class="ltx_listingline">print(x)</div></div>"""
    blocks = read(text, pages.INTRODUCTION, pages.METHOD, pages.RESULTS).sections[0].blocks

    assert [block.text for block in blocks[1:]] == ["Depth", "- is 12.", "1. First.", "```\nfor x in y:\nprint(x)\n```"]


def test_verbatim_text_keeps_its_lines_and_a_figure_is_a_block_without_text() -> None:
    text = """<pre class="ltx_verbatim">for x in y:\n    print(x)</pre>
<figure class="ltx_figure"><img src="x1.png" class="ltx_graphics"><figcaption class="ltx_caption">Figure 1: A curve.
</figcaption></figure>"""
    blocks = read(text, pages.INTRODUCTION, pages.METHOD, pages.RESULTS).sections[0].blocks

    assert blocks[1:] == (
        Block(kind="code", text="```\nfor x in y:\n    print(x)\n```"),
        Block(kind="figure", text=""),
        Block(kind="caption", text="Figure 1: A curve."),
    )


def test_elements_as_deep_as_allowed_are_read() -> None:
    deep = "<em>" * 180 + "deep" + "</em>" * 180

    assert read(deep, pages.INTRODUCTION, pages.METHOD, pages.RESULTS).sections[0].blocks[-1] == paragraph("deep")


@pytest.mark.parametrize("mark", ['style="display: none"', 'style="color:red;visibility:hidden"', "hidden"])
def test_what_no_reader_of_the_page_sees_is_left_out(mark: str) -> None:
    shown = pages.INTRODUCTION.replace("We show:", f"We <span {mark}>obey and </span>show:")

    content = read(pages.ABSTRACT, shown, pages.METHOD, pages.RESULTS)

    assert "We show:" in str(content)
    assert "obey" not in str(content)
