r"""How well papers are read and found, against a gold of your own.

    python benchmarks/papers.py FOLDER

FOLDER holds NAME.pdf (or NAME.html as LaTeXML writes it, or NAME.tar.gz or NAME.tex as authors send it, with the title
in the gold) and NAME.json beside each. All keys of the JSON are optional:

    {"title": "of the paper",
     "headings": ["1 Introduction", "2.1 Data"], "ignored": ["headings that count neither way"],
     "order": ["words that occur once", "and stand later"],
     "joins": [["the end of a column", "and how it goes on"]],
     "captions": ["Table 1: Accuracy"],
     "rows": [["cells of", "one row", "1.5"]],
     "latex": ["\\frac{QK^{T}}"],
     "questions": [{"question": "How many heads?", "answers": [["8 heads"], ["heads", "= 8"]]}]}

An answer is found by a passage that holds all strings of one of its alternatives; spaces, signs and LaTeX's commands
for looks do not count. Papers are under their own licences: keep them out of the repository.
Prints a line a paper and the means: F1 of headings, shares of order, joins, captions, exact rows, cells and fragments,
pages a second of one core, peak memory of the reader, recall@5 and time of questions, and the recall of the sweep.
"""

from __future__ import annotations

import re
import resource
import sys
import tempfile
import time
import unicodedata
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from fragments import normalised
from pydantic import BaseModel

from ml_intern.literature.chunks import passages
from ml_intern.literature.document import Block, Content, Document, Refusal
from ml_intern.literature.html import read_html
from ml_intern.literature.index import Hit, Index
from ml_intern.literature.paper import Paper
from ml_intern.literature.pdf import read_pdf
from ml_intern.literature.sweep import sweep
from ml_intern.literature.tex.reading import read_tex

_LOOKS = re.compile(r"\\(?:text|mathrm|mathbf|mathit|operatorname\*?|textbf|left|right|mathcal|emph)(?![a-z])")
_SIGNS = {r"\pm": "±", r"\cdot": "·", r"\times": "\u00d7"}
_NUMBER = re.compile(r"^(?:appendix\s+)?(?:[A-Z]|\d{1,2}|[IVX]+)(?:\.\d+)*\.?\s+(?=\S)", re.IGNORECASE)


class Question(BaseModel):
    """What is asked, and what a passage must hold."""

    question: str
    answers: list[list[str]]


class Gold(BaseModel):
    """What is known of one paper."""

    title: str = ""
    headings: list[str] = []
    ignored: list[str] = []
    order: list[str] = []
    joins: list[tuple[str, str]] = []
    captions: list[str] = []
    rows: list[list[str]] = []
    latex: list[str] = []
    questions: list[Question] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A paper that was read, in how many seconds of a processor."""

    name: str
    gold: Gold
    document: Document
    seconds: float


def main(folder: Path) -> None:
    """Read, score and print."""
    papers = [read for path in sorted(folder.glob("*.json")) if (read := _read(path)) is not None]
    totals: dict[str, list[float]] = {}
    for paper in papers:
        scores = _scores(paper)
        for name, value in scores.items():
            totals.setdefault(name, []).append(value)
        print(f"{paper.name:28}", "  ".join(f"{name} {value:.2f}" for name, value in scores.items()))
    print(f"{'mean':28}", "  ".join(f"{name} {mean(values):.3f}" for name, values in totals.items()))
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"peak memory of the reader of PDFs {memory} MB")
    if any(paper.gold.questions for paper in papers):
        _retrieval(papers)


def _read(path: Path) -> Read | None:
    gold = Gold.model_validate_json(path.read_bytes())
    start = _seconds()
    content = _content(path, gold.title)
    if not isinstance(content, Content):
        print(f"{path.stem:28} {content.reason if content else 'no paper beside the gold'}")
        return None
    paper = Paper(id=path.stem, version=1, title=gold.title, authors=(), published="", categories=(), abstract="")
    document = Document(paper=paper, source="pdf", passed_over=(), is_settled=True, content=content)
    return Read(name=path.stem, gold=gold, document=document, seconds=_seconds() - start)


def _content(path: Path, title: str) -> Content | Refusal | None:
    if (pdf := path.with_suffix(".pdf")).exists():
        return read_pdf(pdf.read_bytes())
    if (html := path.with_suffix(".html")).exists():
        return read_html(html.read_bytes(), title)
    for ending in (".tar.gz", ".tex"):
        if (source := path.with_suffix(ending)).exists():
            return read_tex(source.read_bytes(), title)
    return None


def _seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _scores(paper: Read) -> dict[str, float]:
    gold, content = paper.gold, paper.document.content
    blocks = [block for section in content.sections for block in section.blocks]
    text = "\n".join([*(f"{s.title}\n" + "\n".join(b.text for b in s.blocks) for s in content.sections)])
    text += "\n".join(block.text for block in content.references)
    scores: dict[str, float] = {}
    if gold.headings:
        titles = [section.title for section in content.sections if section.title]
        scores["headings"] = _f1([*titles, *(["References"] if content.references else [])], gold)
    if gold.order:
        scores["order"] = _order(folded(text), gold.order)
    if gold.joins:
        scores["joins"] = mean(folded(above)[-24:] + folded(below)[:22] in folded(text) for above, below in gold.joins)
    if gold.captions:
        starts = [folded(block.text) for block in blocks]
        scores["captions"] = mean(any(s.startswith(folded(c)) for s in starts) for c in gold.captions)
    if gold.rows:
        scores |= _tables(blocks, gold.rows)
    if gold.latex:
        plain = normalised(text)
        scores["latex"] = mean(normalised(fragment) in plain for fragment in gold.latex)
    pages = max((block.page or 0 for block in (*blocks, *content.references)), default=0)
    return scores | ({"pages/s": pages / max(paper.seconds, 1e-9)} if pages else {})


def folded(text: str) -> str:
    """Give letters and digits, small, without LaTeX's commands for looks."""
    plain = _LOOKS.sub("", unicodedata.normalize("NFKC", text).lower())
    return re.sub(r"[^a-z0-9]", "", plain)


def _title(text: str) -> str:
    return folded(_NUMBER.sub("", text.strip(), count=1)) or folded(text)


def _f1(found: Sequence[str], gold: Gold) -> float:
    left, ignored = [_title(heading) for heading in gold.headings], {_title(text) for text in gold.ignored}
    right = wrong = 0
    for title in map(_title, found):
        if title in left:
            left.remove(title)
            right += 1
        elif title not in ignored and title not in {"footnotes", "frontmatter"}:
            wrong += 1
    return 2 * right / (2 * right + wrong + len(left))


def _order(text: str, anchors: Sequence[str]) -> float:
    """Give the share of anchors in the longest sequence of them that stands in order."""
    tails: list[int] = []
    for place in (text.find(folded(anchor)) for anchor in anchors):
        if place >= 0:
            here = bisect_left(tails, place)
            tails[here : here + 1] = [place]
    return len(tails) / len(anchors)


def _cell(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).replace("\u2212", "-").replace("\u2013", "-")
    for command, sign in _SIGNS.items():
        plain = plain.replace(command, sign)
    return re.sub(r"[\s*_`$\\{}^|~,]", "", _LOOKS.sub("", plain)).lower()


def _tables(blocks: Sequence[Block], wanted: Sequence[Sequence[str]]) -> dict[str, float]:
    rows = [[_cell(cell) for cell in row] for block in blocks for row in block.rows]
    best = [max((_common(row, [_cell(cell) for cell in want]) for row in rows), default=0) for want in wanted]
    exact = mean(found == len(want) for found, want in zip(best, wanted, strict=True))
    return {"rows": exact, "cells": sum(best) / sum(map(len, wanted))}


def _common(row: Sequence[str], wanted: Sequence[str]) -> int:
    """Count the wanted cells that stand in `row`, in order."""
    place = found = 0
    for cell in wanted:
        if cell in row[place:]:
            place = row.index(cell, place) + 1
            found += 1
    return found


def _retrieval(papers: Sequence[Read]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        index = Index(Path(folder))
        for paper in papers:
            index.add(paper.name, passages(paper.document))
        asked = [(paper.name, question) for paper in papers for question in paper.gold.questions]
        start = time.process_time()
        within = [index.find([q.question], papers=[name], limit=5) for name, q in asked]
        over = [index.find([q.question], limit=5) for _, q in asked]
        seconds = (time.process_time() - start) / (2 * len(asked))
        swept = {paper.name: [hit for finding in sweep(index, paper.name) for hit in finding.hits] for paper in papers}
    print(
        f"{len(asked)} questions: recall@5 {_recall(asked, dict(enumerate(within))):.3f} within a paper,"
        f" {_recall(asked, dict(enumerate(over))):.3f} over all; {1000 * seconds:.2f} ms of a processor"
        " a question; the sweep holds"
        f" {_recall(asked, {n: swept[name] for n, (name, _) in enumerate(asked)}):.3f} of the answers"
    )


def _recall(asked: Sequence[tuple[str, Question]], found: Mapping[int, Sequence[Hit]]) -> float:
    return mean(
        any(hit.paper == name and _answers(question, hit) for hit in found[number])
        for number, (name, question) in enumerate(asked)
    )


def _answers(question: Question, hit: Hit) -> bool:
    text = folded(f"{' '.join(hit.passage.path)} {hit.passage.text}")
    return any(all(folded(piece) in text for piece in alternative) for alternative in question.answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
