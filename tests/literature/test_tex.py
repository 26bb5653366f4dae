from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from literature import eprints
from literature.arxiv_server import VISION
from ml_intern.literature.document import Block, Content, Refusal, Section
from ml_intern.literature.tex import archive
from ml_intern.literature.tex.reading import NOTE, main_file, read_tex

TABLE = """| Net | Accuracy |  |
| --- | --- | --- |
|  | top-1 | top-5 |
| small |  | 91.5 |
| a$\\vert $b | $\\vert x\\vert $ | 93.0 |
| two lines | 1 | \u2013 |"""
ROWS = tuple(tuple(line.strip("|")[1:-1].split(" | ")) for line in TABLE.splitlines() if "---" not in line)


OTHER = {"other.tex": eprints.MAIN}


def read(body: bytes) -> Content:
    content = read_tex(body, VISION.title)
    assert isinstance(content, Content), content
    return content


def first(body: str, *, preamble: str = "") -> list[Block]:
    """Read an article whose first section has `body`; give the blocks of that section."""
    return list(read(eprints.article(body, preamble=preamble)).sections[0].blocks)


def texts(body: str, *, preamble: str = "") -> list[str]:
    return [block.text for block in first(body, preamble=preamble)]


def paragraph(text: str) -> Block:
    return Block(kind="paragraph", text=text)


def equation(text: str) -> Block:
    return Block(kind="equation", text=text)


def section(number: str, title: str, level: int, *blocks: Block) -> Section:
    return Section(number=number, title=title, level=level, blocks=blocks)


def test_an_e_print_becomes_sections_with_equations_tables_captions_and_references_apart() -> None:
    assert read(eprints.whole()) == Content(
        sections=(
            section("", "", 1, paragraph("Ada Example Ben Sample")),
            section("", "Abstract", 1, paragraph("We cut images into patches.")),
            section(
                "1",
                "Introduction",
                1,
                paragraph(
                    "PatchNet is a net (Author et al., 1989); Author et al. (1989, p. 3) and Section 2 say more. This"
                    " is the long version. Naïve François pays 50%. [note: Code is elsewhere.]"
                ),
                Block(kind="item", text="- patches suffice;"),
                Block(kind="item", text="- nets are small."),
                paragraph("**Scope.** We go on \u2014 with \u201cquotes\u201d and 1\u20132."),
            ),
            section("2", "Method", 1),
            section(
                "2.1",
                "Attention",
                2,
                paragraph("We weigh values:"),
                equation(r"$$\mathrm{A}(Q,K,V)=\mathrm{softmax}\left(\frac{QK^{T}}{\sqrt{d_{k}}}\right)V$$ (1)"),
                paragraph("where the root keeps the scale, and"),
                equation(r"$$a = \mathcal{L}_{\theta}(x) + \operatorname*{arg\,max}_y f(y)$$ (2)"),
                equation(r"$$b = \mathcal{L}_{\phi}(z)$$"),
            ),
            section(
                "3",
                "Results",
                1,
                Block(kind="caption", text="Table 1: Accuracy of all nets."),
                Block(kind="table", text=TABLE, rows=ROWS),
                Block(kind="figure", text=""),
                Block(kind="caption", text="Figure 1: Overview of PatchNet."),
                paragraph("Table 1 follows from (1)."),
                paragraph("**Theorem 3.1 (Main).**"),
                paragraph("All is well."),
                Block(kind="code", text="```\nfor x in y: % no comment\n    print({x})\n```"),
            ),
            section("A", "Settings", 1, paragraph("We train for 7 epochs.")),
        ),
        references=(Block(kind="reference", text="A. Author. An old neta. 1989."),),
        notes=(NOTE,),
    )


@pytest.mark.parametrize(
    ("preamble", "body", "text"),
    [
        (r"\newcommand{\pair}[2]{#1 and #2}", r"\pair{a}{b}", "a and b"),
        (r"\newcommand\name[1][x]{<#1>}", r"\name, \name[y]", "<x>, <y>"),
        (r"\def\mean#1/#2;{#1 over #2}", r"\mean a/b c; d", "a over b c d"),
        (r"\let\old\textbf \newcommand{\best}[1]{\old{#1}!}", r"\best{x}", "x!"),
        (r"\newcommand{\outer}{\inner} \newcommand{\inner}{in}", r"\outer", "in"),
        (r"\newenvironment{boxed}[1]{Box #1: }{ (end)}", r"\begin{boxed}{3}text\end{boxed}", "Box 3: text (end)"),
        (r"\newif\ifa \afalse", r"\ifa yes \ifx\b\c deep \fi \else no\fi", "no"),
        (r"\renewcommand{\section}[1]{}", r"text", "text"),
        ("", r"5 $\times$ \texttt{a\_b} \textcolor{red}{c} \href{http://x.y}{link}", "5 $\\times$ a_b c link"),
        ("", r"at \url{http://z.org/a_b}", "at http://z.org/a_b"),
        (r"\renewcommand{\c}{\mathbf{c}}", r"$\c x$", r"$\mathbf{c}x$"),
        ("", r"\'Ecole, Erd\H{o}s, \O re, stra\ss e, \v{C}", "École, Erdős, Øre, straße, Č"),
        ("", r"\vspace{-2mm}\hspace*{1em}\noindent kept\vskip -2pt plus 1pt\index{x}", "kept"),
        ("", r"a\iffalse never \fi b", "ab"),
        ("", r"\verb|x_{y}| and \lstinline!a%b!", "x_{y} and a%b"),
        ("", r"\strange{text} stays", "text stays"),
        ("", r"see \cref{x}\label{x} and \ref{nowhere}", "see Section 1 and [nowhere]"),
    ],
)  # fmt: skip
def test_text_is_what_a_reader_of_the_paper_sees(preamble: str, body: str, text: str) -> None:
    assert texts(body, preamble=preamble) == [text]


@pytest.mark.parametrize(
    ("body", "equations"),
    [
        (r"\[ \begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix} \]", [r"$$\begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix}$$"]),
        (r"$$E=mc^2$$", ["$$E=mc^2$$"]),
        (r"\begin{align*} x &= 1 \\ y &= 2 \tag{7} \end{align*}", ["$$x = 1$$", "$$y = 2$$ (7)"]),
        (r"\begin{eqnarray} x &=& 1 \end{eqnarray}", ["$$x = 1$$ (1)"]),
        (r"\begin{equation}\begin{split} a &= b \\ &= c \end{split}\end{equation}",
         [r"$$\begin{split} a &= b \\ &= c \end{split}$$ (1)"]),
        (r"\begin{subequations}\begin{align} a \\ b \end{align}\end{subequations} \begin{equation} c \end{equation}",
         ["$$a$$ (1a)", "$$b$$ (1b)", "$$c$$ (2)"]),
        (r"\begin{align} a \\ \intertext{so that} b \end{align}", ["$$a$$ (1)", "so that", "$$b$$ (2)"]),
    ],
)  # fmt: skip
def test_equations_keep_their_source_and_are_counted_as_latex_counts_them(body: str, equations: list[str]) -> None:
    assert texts(body) == equations


def test_numbers_may_count_within_sections_and_theorems_share_them() -> None:
    preamble = r"\numberwithin{equation}{section} \newtheorem{lemma}{Lemma} \newtheorem{fact}[lemma]{Fact}"
    body = (
        r"\begin{equation} a \end{equation} \begin{lemma} x \end{lemma}"
        r"\begin{fact} y \end{fact} \begin{proof} z \end{proof}"
    )

    assert texts(body, preamble=preamble) == [
        "$$a$$ (1.1)", "**Lemma 1.**", "x", "**Fact 2.**", "y", "**Proof.**", "z",
    ]  # fmt: skip


def test_lists_may_hold_lists_and_name_their_items() -> None:
    body = r"\begin{enumerate} \item one \begin{itemize} \item inner \end{itemize} \item[(b)] two \end{enumerate}"

    assert texts(body) == ["1. one", "- inner", "(b) two"]


def test_algorithms_become_lines_whichever_package_wrote_them() -> None:
    first_package = (
        r"\begin{algorithmic}[1] \Require data \For{$t<T$} \State go \Comment{now} \EndFor \end{algorithmic}"
    )
    second_package = r"\begin{algorithm} \caption{Go} \KwIn{data} \For{$t<T$}{ go\; stop\; } \end{algorithm}"

    assert texts(first_package) == ["```\nRequire: data\nfor $t<T$\ngo // now\nend for\n```"]
    assert texts(second_package) == ["Algorithm 1: Go", "```\nInput: data\nfor $t<T$\ngo\nstop\n```"]


def test_a_long_table_has_its_caption_and_the_parts_of_a_figure_theirs() -> None:
    long = r"\begin{longtable}{ll} \caption{Long.}\\ \hline a & b \\ \endhead c & d \\ \end{longtable}"
    part = r"\begin{subfigure}{3cm} \includegraphics{x} \caption{left} \end{subfigure}"
    parts = rf"\begin{{figure}} {part} \caption{{All.}} \end{{figure}}"

    assert [(b.kind, b.rows or b.text) for b in first(long)] == [
        ("caption", "Table 1: Long."),
        ("table", (("a", "b"), ("c", "d"))),
    ]
    assert [(b.kind, b.text) for b in first(parts)] == [
        ("figure", ""),
        ("caption", "(a) left"),
        ("caption", "Figure 1: All."),
    ]


def test_a_list_of_references_of_biblatex_is_read() -> None:
    bbl = r"""\refsection{0} \entry{old}{article}{}
  \name{author}{1}{}{%
    {{hash=1}{%
       family={Author},
       given={Ada},
    }}%
  }
  \field{title}{An old net}
  \field{year}{1989}
\endentry"""
    main = eprints.MAIN.replace(r"\bibliography{refs}", r"\printbibliography")

    content = read(eprints.archive({**eprints.FILES, "main.tex": main, "main.bbl": bbl}))

    assert [block.text for block in content.references] == ["[1] Ada Author. An old net. 1989."]
    assert "PatchNet is a net [1];" in content.sections[2].blocks[0].text


@pytest.mark.parametrize(
    ("extra", "main"),
    [
        ({}, "main.tex"),
        ({"supplement.tex": eprints.MAIN}, "main.tex"),
        ({"00README.json": '{"sources": [{"usage": "toplevel", "filename": "other.tex"}]}', **OTHER}, "other.tex"),
        ({"00README.XXX": "other.tex toplevelfile", **OTHER}, "other.tex"),
        ({"all.tex": eprints.MAIN.replace("Introduction", r"\input{main}")}, "all.tex"),
    ],
)  # fmt: skip
def test_the_document_is_found_among_the_files(extra: dict[str, str], main: str) -> None:
    assert main_file({**eprints.FILES, **extra}) == main


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"%PDF-1.5", "a PDF and no TeX"),
        (b"plain words", "no TeX"),
        (eprints.whole()[:200], "damaged"),
        (eprints.single(r"\input epsf \bye"), "no LaTeX document"),
        (eprints.article("x", title="Something Else Entirely"), "title of another paper"),
        (eprints.single(r"\documentclass{article}\title{Patches Are Enough: a Study of Small Vision Networks}"
                        r"\begin{document}\section{One} x\end{document}"), "only 1 sections"),
        (eprints.article("\n\n".join(r"a \odd b" for _ in range(9))), r"9 of 11 paragraphs have a command"),
        (eprints.article(r"\a", preamble=r"\def\a{\b\b} \def\b{\a\a}"), "do not end"),
        (eprints.article(r"\a", preamble=r"\newcommand{\a}{x\c} \newcommand{\c}{\a}"), "do not end"),
        (eprints.article("{" * 500 + "}" * 500), "deep"),
        (eprints.archive({"main.tex": r"\documentclass{x}\begin{document}\input{main}\end{document}"}), "without end"),
        (eprints.archive({f"{n}.txt": "" for n in range(archive.MEMBER_LIMIT + 1)}), "files"),
        (eprints.archive({"main.tex": " " * (archive.TEXT_LIMIT + 1)}), "MB of text"),
        (eprints.single(" " * (archive.UNPACKED_LIMIT + 1)), "larger than 200 MB"),
    ],
)  # fmt: skip
def test_a_source_that_does_not_stand_for_the_paper_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    refusal = read_tex(body, VISION.title)

    assert isinstance(refusal, Refusal), refusal
    assert reason in refusal.reason


@pytest.mark.parametrize("name", ["../own.sty", "/etc/own.sty", "a/../../own.sty"])
def test_files_with_paths_that_lead_out_and_links_are_left_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    link = tarfile.TarInfo("secret.tex")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    files = archive.unpack(eprints.archive({"main.tex": eprints.MAIN, name: "x"}, link))

    assert files == {"main.tex": eprints.MAIN}
    assert list(tmp_path.iterdir()) == []


def test_a_few_unknown_commands_are_named_and_their_text_stays() -> None:
    filling = "\n\n".join(f"A fine paragraph {n}." for n in range(9))
    content = read(eprints.article(rf"\odd{{kept}} {filling}"))

    assert "kept A fine paragraph 0." in content.sections[0].blocks[0].text
    assert content.notes[1] == r"1 of 11 paragraphs have a command that is not known (\odd); its text was kept."
