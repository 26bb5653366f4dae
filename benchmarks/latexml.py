r"""How much of formulas and tables comes back from the HTML that LaTeXML makes of TeX.

    python benchmarks/latexml.py [--misses]

Sets the formulas of `formulas.py` each in every environment below, and the tables below, converts the document with
`latexml` and `latexmlpost` (of the system; a minute), reads the page, and prints the share of formulas that come back
whole by environment, and of cells that stand in their place.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from formulas import SEEN, UNSEEN
from fragments import normalised

from ml_intern.literature.document import Content, Refusal
from ml_intern.literature.html import read_html

TITLE = "On Formulas and Tables"
FORMULAS = (*SEEN, *UNSEEN)
ENVIRONMENTS: Mapping[str, str] = {
    "equation": r"\begin{equation}FORMULA\end{equation}",
    "brackets": r"\[FORMULA\]",
    "align": r"\begin{align}ALIGNED\\&\leq c_{9}\end{align}",
    "align*": r"\begin{align*}ALIGNED\\&\leq c_{9}\end{align*}",
    "split": r"\begin{equation}\begin{split}ALIGNED\\&\leq c_{9}\end{split}\end{equation}",
    "gather": r"\begin{gather}FORMULA\\c_{9}=1\end{gather}",
    "multline": r"\begin{multline}FORMULA\\+c_{9}\end{multline}",
    "subequations": r"\begin{subequations}\begin{align}ALIGNED\\&\leq c_{9}\end{align}\end{subequations}",
    "text": r"$FORMULA$",
    "footnote": r"this\footnote{Here $FORMULA$ holds.}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What stands between the ends of a tabular, and the rows to be read."""

    columns: str
    source: str
    rows: tuple[tuple[str, ...], ...]


TABLES = (
    Table(
        columns="lrrr",
        source=r"""\toprule Network & Layers & Top-1 & Top-5 \\ \midrule
            Small (ours) & 8 & 71.5 & \\ Middle & 12 & & 90.2 \\
            \textbf{Large} & & \textbf{78.1} & 93.7 \\ \bottomrule""",
        rows=(
            ("Network", "Layers", "Top-1", "Top-5"),
            ("Small (ours)", "8", "71.5", ""),
            ("Middle", "12", "", "90.2"),
            ("Large", "", "78.1", "93.7"),
        ),
    ),
    Table(
        columns="l|cc|cc",
        source=r"""\hline & \multicolumn{2}{c|}{CIFAR-10} & \multicolumn{2}{c}{ImageNet} \\ \cline{2-5}
            Method & top-1 & top-5 & top-1 & top-5 \\ \hline
            \multirow{2}{*}{Base} & 91.2 & 99.1 & 70.4 & 89.8 \\ & $\pm 0.1$ & & $\pm 0.3$ & \\ \hline
            \multicolumn{5}{l}{\emph{with more data}} \\ Wide & 93.0 & -- & 74.2 & 91{,}5 \\ \hline""",
        rows=(
            ("", "CIFAR-10", "", "ImageNet", ""),
            ("Method", "top-1", "top-5", "top-1", "top-5"),
            ("Base", "91.2", "99.1", "70.4", "89.8"),
            ("", r"$\pm 0.1$", "", r"$\pm 0.3$", ""),
            ("with more data", "", "", "", ""),
            ("Wide", "93.0", "\N{EN DASH}", "74.2", "91,5"),
        ),
    ),
    Table(
        columns="lll",
        source=r"""Setting & Value & Note \\ \hline
            learning rate $\eta$ & $3\times 10^{-4}$ & 5\% warm-up, then $\cos$ \\
            batch size & 1,024 & \begin{tabular}{l}two\\lines\end{tabular} \\
            \multicolumn{2}{l}{weight decay of all layers} & 0.05 \\ optimiser & AdamW & $\beta_{1}=0.9$ \\""",
        rows=(
            ("Setting", "Value", "Note"),
            (r"learning rate $\eta$", r"$3\times 10^{-4}$", r"5% warm-up, then $\cos$"),
            ("batch size", "1,024", "two lines"),
            ("weight decay of all layers", "", "0.05"),
            ("optimiser", "AdamW", r"$\beta_{1}=0.9$"),
        ),
    ),
    Table(
        columns="@{}p{2cm}>{\\bfseries}c*{3}{r}@{}",
        source=r"""\toprule & & \multicolumn{3}{c}{Error (\%)} \\ \cmidrule(lr){3-5} Data & n & A & B & C \\ \midrule
            first\footnotemark & 10 & 1.5$^{*}$ & 2.25 & \multirow{3}{*}{9} \\ second & 20 & & 2.5 & \\
            & 30 & 3 & & \\ \bottomrule""",
        rows=(
            ("", "", "Error (%)", "", ""),
            ("Data", "n", "A", "B", "C"),
            ("first", "10", "1.5$^{*}$", "2.25", "9"),
            ("second", "20", "", "2.5", ""),
            ("", "30", "3", "", ""),
        ),
    ),
)  # fmt: skip


def main(*, shows_misses: bool) -> None:
    """Set, convert, read, compare and print."""
    content = _read(_document())
    blocks = [block for section in content.sections for block in section.blocks]
    text = "\n".join(block.text for block in blocks)
    everything: list[bool] = []
    for place, environment in enumerate(ENVIRONMENTS):
        found = [_between(text, f"from{_letters(place, n)}", f"to{_letters(place, n)}") for n in range(len(FORMULAS))]
        right = [normalised(source) in normalised(read) for source, read in zip(FORMULAS, found, strict=True)]
        everything += right
        print(f"{environment:14} {mean(right):.3f} of {len(right)} formulas whole")
        for source, read, is_right in zip(FORMULAS, found, right, strict=True):
            if shows_misses and not is_right:
                print(f"  {source}\n    {read!r}")
    print(f"{'all':14} {mean(everything):.3f} of {len(everything)} formulas whole")
    _print_tables([block.rows for block in blocks if block.rows], shows_misses=shows_misses)


def _print_tables(found: Sequence[Sequence[Sequence[str]]], *, shows_misses: bool) -> None:
    right = total = 0
    for number, table in enumerate(TABLES):
        rows = found[number] if number < len(found) else ()
        for place, wanted in enumerate(table.rows):
            row = rows[place] if place < len(rows) else ()
            here = sum(_cell(a) == _cell(b) for a, b in zip(wanted, row, strict=False))
            right, total = right + here, total + len(wanted)
            if shows_misses and here < len(wanted):
                print(f"  {wanted}\n    {row}")
    print(f"{'tables':14} {right / total:.3f} of {total} cells in their place, in {len(found)} of {len(TABLES)} tables")


def _cell(text: str) -> str:
    return "".join(text.replace("*", "").split()) if "$" not in text else normalised(text)


def _document() -> str:
    parts = [
        rf"\section{{In {environment}}}"
        + "".join(
            f"Text from{_letters(place, number)} {_set(form, formula)} to{_letters(place, number)} goes on.\n\n"
            for number, formula in enumerate(FORMULAS)
        )
        for place, (environment, form) in enumerate(ENVIRONMENTS.items())
    ]
    tables = "".join(
        rf"\begin{{table}}\caption{{Of numbers.}}\begin{{tabular}}{{{t.columns}}}{t.source}\end{{tabular}}\end{{table}}"
        for t in TABLES
    )
    packages = r"\usepackage{amsmath,amssymb,booktabs,multirow,array}"
    head = rf"\documentclass{{article}}{packages}\title{{{TITLE}}}\author{{A. Author}}"
    return rf"{head}\begin{{document}}\maketitle {''.join(parts)}\section{{Tables}}{tables}\end{{document}}"


def _set(form: str, formula: str) -> str:
    return form.replace("FORMULA", formula).replace("ALIGNED", _aligned(formula))


def _aligned(formula: str) -> str:
    """Write `&` before the first relation outside of braces, or at the start."""
    depth = 0
    for place, character in enumerate(formula):
        depth += (character == "{") - (character == "}")
        if character == "=" and not depth:
            return f"{formula[:place]}&{formula[place:]}"
    return f"&{formula}"


def _letters(place: int, number: int) -> str:
    return chr(ord("a") + place) + chr(ord("a") + number // 26) + chr(ord("a") + number % 26) + "q"


def _between(text: str, start: str, end: str) -> str:
    after = text.partition(f"{start} ")[2] or text.partition(f"{start}\n")[2]
    return after.partition(end)[0]


def _read(document: str) -> Content:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "set.tex").write_text(document)
        for command in (
            ["latexml", "--quiet", "--destination=set.xml", "set.tex"],
            ["latexmlpost", "--quiet", "--format=html5", "--destination=set.html", "set.xml"],
        ):
            subprocess.run(command, cwd=here, check=True, stderr=subprocess.DEVNULL)
        content = read_html((here / "set.html").read_bytes(), TITLE)
    if isinstance(content, Refusal):
        raise SystemExit(content.reason)
    return content


if __name__ == "__main__":
    main(shows_misses="--misses" in sys.argv)
