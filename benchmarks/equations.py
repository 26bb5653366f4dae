r"""How much of displayed formulas comes back as LaTeX from a PDF, against the source they were set from.

    python benchmarks/equations.py [seen|unseen] [--misses]

Sets the formulas of `formulas.py` with pdfLaTeX in five forms (one and two columns, Computer Modern, Times, Latin
Modern, IEEEtran, REVTeX), reads the files, and compares: the share of pieces with a structure (scripts with what they
stand on, fractions, roots, accents, calligraphic letters) that come back, the share of formulas that come back whole,
and of numbers found as `(7)` behind their formula. Wants pdflatex with the packages of TeX Live's `latex-extra`,
`publishers` and `science`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from formulas import SEEN, UNSEEN
from fragments import fragments, normalised

from ml_intern.literature.document import Content, Refusal
from ml_intern.literature.pdf import read_pdf

_COMMON = r"\usepackage{amsmath,amssymb,bm}\begin{document}\title{On Formulas}\author{A. Author}"
FORMS = {
    "article": r"\documentclass{article}" + _COMMON + r"\maketitle",
    "times": r"\documentclass[10pt]{article}\usepackage{mathptmx}\usepackage[margin=1.2in]{geometry}"
    + _COMMON
    + r"\maketitle",
    "columns": r"\documentclass[twocolumn]{article}\usepackage{lmodern}\usepackage[T1]{fontenc}"
    + _COMMON
    + r"\maketitle",
    "ieee": r"\documentclass{IEEEtran}" + _COMMON + r"\maketitle",
    "revtex": r"\documentclass[twocolumn,aps,prl]{revtex4-2}" + _COMMON + r"\maketitle",
}
CASES = re.findall(
    r"\w+",
    "apple banana cherry damson elder fig grape hazel ilex juniper kiwi lemon mango nutmeg olive peach quince raisin"
    " sorrel thyme ulmus vanilla walnut xerica yarrow zinnia almond barley",
)
"""A word that marks each formula: lines that are the same on several pages would be taken for running heads."""
_TEXT = (
    "The networks of this study are trained as the text says, and the quantity below is what they are trained with."
    " All of its parts are known from earlier work, and we do not repeat here how they came to be used so widely"
)
_AFTER = (
    "has signs with the meaning that they have elsewhere. It is computed for each batch, and its value is"
    " written to the log at the end of each epoch, together with the time that was needed for it on one processor."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A formula and what was read of it."""

    source: str
    read: str
    right: int
    pieces: int
    is_whole: bool
    is_numbered: bool


def main(formulas: Sequence[str], *, shows_misses: bool) -> None:
    """Set, read, compare and print."""
    everything: list[Found] = []
    for form in FORMS:
        found = _scored(formulas, _read(form, formulas))
        everything += found
        print(f"{form:10}", _line(found))
        for one in found if shows_misses else ():
            if one.right < one.pieces or not one.is_whole:
                missing = [f for f in fragments(one.source) if f not in normalised(one.read)]
                print(f"  {one.source}\n    {one.read}\n    {missing}")
    print(f"{'all':10}", _line(everything))


def _line(found: Sequence[Found]) -> str:
    share = sum(one.right for one in found) / sum(one.pieces for one in found)
    whole, numbered = mean(one.is_whole for one in found), mean(one.is_numbered for one in found)
    return f"fragments {share:.3f}  whole {whole:.3f}  numbers {numbered:.3f}  of {len(found)} formulas"


def _read(form: str, formulas: Sequence[str]) -> list[str]:
    """Give the text of what stands between the paragraphs, a formula each."""
    body = "".join(
        rf"\section{{Part}}{_TEXT} ({CASES[n]}): \begin{{equation}}{f}\end{{equation}}where {CASES[n]} {_AFTER}"
        for n, f in enumerate(formulas)
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "set.tex").write_text(f"{FORMS[form]}{body}\\end{{document}}")
        subprocess.run(["pdflatex", "-interaction=batchmode", "set.tex"], cwd=folder, check=False, capture_output=True)
        content = read_pdf((Path(folder) / "set.pdf").read_bytes())
    if isinstance(content, Refusal):
        raise SystemExit(content.reason)
    return [_between(content, number) for number in range(len(formulas))]


def _between(content: Content, number: int) -> str:
    text = "\n".join(block.text for section in content.sections for block in section.blocks)
    found = re.search(rf"\({CASES[number]}\):(.*?)where {CASES[number]} ", text, re.DOTALL)
    return found[1].strip() if found else ""


def _scored(formulas: Sequence[str], texts: Sequence[str]) -> list[Found]:
    found: list[Found] = []
    for number, (source, text) in enumerate(zip(formulas, texts, strict=True), 1):
        pieces, read = fragments(source), normalised(text)
        found.append(
            Found(
                source=source,
                read=text,
                right=sum(piece in read for piece in pieces),
                pieces=len(pieces),
                is_whole=normalised(source) in read,
                is_numbered=re.search(rf"\({number}\)\W*$", text) is not None,
            )
        )
    return found


if __name__ == "__main__":
    main(UNSEEN if "unseen" in sys.argv else SEEN, shows_misses="--misses" in sys.argv)
