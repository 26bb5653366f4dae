from __future__ import annotations

import pytest

from literature.canvas import Page, column, document
from ml_intern.literature.document import Document
from ml_intern.literature.layout.symbols import codes, latex
from ml_intern.literature.paper import Paper
from ml_intern.literature.pdf_content import read_content
from ml_intern.literature.rendering import labelled

LEFT = 72.0
SUM, ROOT = "\xe5", "\xd6"
"""By Symbol's codes."""


def page() -> Page:
    page = Page()
    page.text(170, 80, "Small Networks Compute Sums", font="bold", size=16)
    page.text(LEFT, 120, "1 Method", font="bold", size=12)
    page.paragraph(LEFT, 140, column("above", 10, 90))
    page.paragraph(LEFT, 500, column("below", 10, 90))
    return page


def read(page: Page) -> Document:
    paper = Paper(id="1", version=1, title="", authors=(), published="", categories=(), abstract="")
    content = read_content(document(page))
    return Document(paper=paper, source="pdf", passed_over=(), is_settled=True, content=content)


def equations(page: Page) -> list[str]:
    sections = read(page).content.sections
    return [block.text for section in sections for block in section.blocks if block.kind == "equation"]


def test_a_fraction_its_root_and_the_number_of_the_formula_are_read_from_their_bars() -> None:
    drawn = page()
    drawn.text(250, 300, "A", font="italic").text(260, 300, "=", font="symbol").rule(270, 300, 297.5)
    drawn.text(275, 293, "QK", font="italic").text(289, 289, "T", font="italic", size=7)
    drawn.text(275, 309, ROOT, font="symbol").text(282, 309, "d", font="italic")
    drawn.text(287, 311, "k", font="italic", size=7).rule(280.6, 292, 301.0)
    drawn.text(540, 300, "(1)")

    assert equations(drawn) == [r"$A=\frac{QK^{T}}{\sqrt{d_{k}}}$ (1)"]


def test_what_stands_over_and_under_a_sum_is_its_limits_and_an_accent_stands_on_its_letter() -> None:
    drawn = page()
    drawn.text(240, 300, "z", font="italic").text(240.5, 300, "^").text(250, 300, "=", font="symbol")
    drawn.text(262, 300, "X", font="large", size=10).text(264, 291, "N", font="italic", size=7)
    drawn.text(261, 310, "i=1", font="italic", size=7)
    drawn.text(275, 300, "a", font="symbol").text(281.5, 302, "i", font="italic", size=7)

    assert equations(drawn) == [r"$\hat{z}=\sum_{i=1}^{N}\alpha_{i}$"]


def test_each_line_of_a_formula_with_a_number_of_its_own_can_be_asked_for() -> None:
    drawn = page()
    for number, (letter, y) in enumerate([("x", 300), ("y", 318)], 1):
        drawn.text(250, y, letter, font="italic").text(260, y, "=", font="symbol")
        drawn.text(270, y, "a", font="symbol").text(280, y, "b", font="symbol").text(540, y, f"({number})")
    document = read(drawn)

    assert labelled(document, "Equation 1") == r"$x=\alpha\beta$ (1)"
    assert labelled(document, "Eq. (2)") == r"$y=\alpha\beta$ (2)"


def test_fractions_of_numbered_lines_that_nearly_touch_stay_with_their_lines() -> None:
    drawn = page()
    for number, y in enumerate((300, 326), 1):
        drawn.text(250, y, "x", font="italic").text(260, y, "=", font="symbol").rule(270, 282, y - 2.5)
        drawn.text(273, y - 7, str(number)).text(273, y + 8, "d", font="letters").text(
            278.5, y + 9.5, "t", font="letters", size=7
        )
        # the second number stands below a line that leaves it no room
        drawn.text(290, y, "b", font="symbol").text(540, y + 12 * (number - 1), f"({number})")

    assert equations(drawn) == [r"$x=\frac{1}{d_{t}}\beta$ (1)", r"$x=\frac{2}{d_{t}}\beta$ (2)"]


def test_a_line_without_a_number_goes_with_the_number_below_it() -> None:
    drawn = page()
    for y, sign in ((300, "a"), (315, "b"), (330, "g")):
        drawn.text(250, y, "x", font="italic").text(260, y, "=", font="symbol").text(270, y, sign, font="symbol")
    drawn.text(540, 300, "(1)").text(540, 330, "(2)")

    assert equations(drawn) == [
        r"$x=\alpha$ (1)",
        r"$\begin{aligned}x=\beta \\ x=\gamma\end{aligned}$ (2)",
    ]


def test_lines_of_a_formula_that_share_a_number_are_aligned() -> None:
    drawn = page()
    for y in (300, 318):
        drawn.text(250, y, "x", font="italic").text(260, y, "=", font="symbol").text(270, y, "a", font="symbol")
    drawn.text(540, 309, "(1)")

    assert equations(drawn) == [r"$\begin{aligned}x=\alpha \\ x=\alpha\end{aligned}$ (1)"]


def test_a_brace_before_rows_opens_cases() -> None:
    drawn = page()
    drawn.text(230, 303, "f", font="italic").text(238, 303, "=", font="symbol")
    for y, piece in ((291, "\xec"), (299, "\xed"), (307, "\xee")):
        drawn.text(248, y, piece, font="symbol")
    for y, letter in ((296, "x"), (310, "y")):
        drawn.text(260, y, letter, font="italic").text(280, y, letter, font="italic").text(288, y, ">", font="symbol")
        drawn.text(296, y, "0")

    assert equations(drawn) == [r"$f=\begin{cases}x & x>0 \\ y & y>0\end{cases}$"]


def test_the_short_last_line_of_a_paragraph_stays_out_of_the_formula_below_it() -> None:
    drawn = page().text(LEFT, 260, "by this:")
    drawn.text(250, 272, "x", font="italic").text(260, 272, "=", font="symbol").text(270, 272, "a", font="symbol")

    blocks = [block.text for section in read(drawn).content.sections for block in section.blocks]
    assert r"$x=\alpha$" in blocks
    assert any(text.endswith("by this:") for text in blocks)


@pytest.mark.parametrize(
    ("text", "font", "written"),
    [
        ("softmax", "CMR10", r"\mathrm{softmax}"),
        ("log", "NimbusRomNo9L-Regu", r"\log"),
        ("QK", "CMMI10", "QK"),
        ("L", "CMSY10", r"\mathcal{L}"),
        ("R", "MSBM10", r"\mathbb{R}"),
        ("x", "CMBX10", r"\mathbf{x}"),
        ("\N{MATHEMATICAL DOUBLE-STRUCK CAPITAL E}", "STIXTwoMath", r"\mathbb{E}"),
        ("\N{MATHEMATICAL ITALIC SMALL ALPHA}x", "LatinModernMath", r"\alpha x"),
        ("\xe2", "CMMI10", r"\hat{a}"),
    ],
)
def test_a_sign_is_written_by_its_font(text: str, font: str, written: str) -> None:
    assert latex(text, font) == written


def test_codes_of_the_fonts_of_tex_are_signs() -> None:
    assert [codes(font).get(ord(code)) for font, code in (("CMEX10", "X"), ("CMSY10", "0"), ("CMMI10", "`"))] == [
        "\N{N-ARY SUMMATION}",
        "\N{PRIME}",
        "\N{SCRIPT SMALL L}",
    ]
    assert not codes("NimbusRomNo9L-Regu")
