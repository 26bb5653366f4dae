"""Read the text layer of a PDF into sections: plain text in the order of the file, pages marked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_intern.literature.clean import clean
from ml_intern.literature.document import Block, Content, Refusal, Section
from ml_intern.literature.numbering import Heading, headings

TIMEOUT = 180.0
"""Seconds for one file; 100 pages take about one."""
FEWEST_LETTERS = 100
"""Letters of an average page; fewer mean that the pages are pictures."""
MOST_UNKNOWN = 0.02
"""Share of characters without a meaning above which the reader is warned."""
NOTE = (
    "This is plain text taken from a PDF: tables have lost their columns, equations and super- and subscripts may be"
    " garbled, two columns may be mixed. Check a number against its context before you rely on it."
)
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "\u00a0": " "})
_HYPHEN = "\N{SOFT HYPHEN}"
_ENTRY = re.compile(r"\[\d{1,3}\]\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of text and its page, from 1."""

    page: int
    text: str


def read_pdf(pdf: bytes) -> Content | Refusal:
    """Read a file, or say why nothing can be read from it."""
    texts = _page_texts(pdf)
    if isinstance(texts, Refusal):
        return texts
    letters = sum(character.isalpha() for text in texts for character in text)
    if letters < FEWEST_LETTERS * len(texts) or not texts:
        return Refusal(reason="the PDF has no text layer (its pages are pictures)")
    return content_of(texts)


def content_of(texts: Sequence[str]) -> Content:
    """Divide the texts of pages into sections by their numbered headings, and set the references apart."""
    lines = [Line(page=page, text=line) for page, text in enumerate(_mended(texts), 1) for line in text.splitlines()]
    lines = [line for line in lines if line.text.strip()]
    sections: list[Section] = []
    references: tuple[str, ...] = ()
    for heading, below in _divided(lines):
        if heading is not None and heading.title.casefold() in {"references", "bibliography"}:
            references += _entries(below)
        else:
            sections.append(_section(heading, below))
    unknown = sum(text.count("\ufffd") for text in texts) / max(sum(map(len, texts)), 1)
    notes = (NOTE,) if unknown < MOST_UNKNOWN else (NOTE, f"{unknown:.0%} of its characters have no known meaning.")
    return Content(sections=tuple(sections), references=references, notes=notes)


def _page_texts(pdf: bytes) -> list[str] | Refusal:
    """Extract in a process of its own, without this one's environment; see `pdf_text`."""
    command = [sys.executable, "-I", str(Path(__file__).with_name("pdf_text.py"))]
    try:
        done = subprocess.run(command, input=pdf, capture_output=True, timeout=TIMEOUT, env={}, check=False)
    except subprocess.TimeoutExpired:
        return Refusal(reason=f"the PDF could not be read within {TIMEOUT:.0f} s", lasting=False)
    match done.returncode:
        case 0:
            return [str(text) for text in json.loads(done.stdout)]
        case 3:
            return Refusal(reason=f"the PDF cannot be read: {done.stderr.decode(errors='replace').strip()}")
        case status:
            return Refusal(reason=f"reading the PDF ended with status {status}", lasting=False)


def _mended(texts: Sequence[str]) -> list[str]:
    """Join words that were broken at the end of a line, and drop what cannot be seen."""
    # PDFium writes U+FFFE, or U+0002 in older files, for a hyphen at a line's end and drops the line break there
    raw = [text.replace("\r\n", "\n").replace("\r", "\n").translate(_LIGATURES) for text in texts]
    marked = [re.sub(r"[\ufffe\x02]\n?|(?<=[^\W\d_])-\n(?=[a-z])", _HYPHEN, text) for text in raw]
    words = {word.lower() for text in raw for word in re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", text)}
    broken = re.compile(rf"[^\W\d_]*(?:-[^\W\d_]+)*{_HYPHEN}[^\W\d_]*")
    return [clean(broken.sub(lambda match: _joined(match[0], words), text)) for text in marked]


def _joined(word: str, words: set[str]) -> str:
    """Keep the hyphen of a compound: where the paper writes it elsewhere so, or never as one word and capitals meet."""
    whole, compound = word.replace(_HYPHEN, ""), word.replace(_HYPHEN, "-")
    if whole.lower() in words:
        return whole
    first, _, second = word.partition(_HYPHEN)
    is_compound = compound.lower() in words or not first or not second or second[0].isupper()
    return compound if is_compound else whole


def _divided(lines: Sequence[Line]) -> Iterator[tuple[Heading | None, Sequence[Line]]]:
    found = headings([line.text for line in lines])
    starts = [heading.line for heading in found] + [len(lines)]
    if starts[0]:
        yield None, lines[: starts[0]]
    for heading, end in zip(found, starts[1:], strict=True):
        yield heading, lines[heading.line + heading.height : end]


def _section(heading: Heading | None, lines: Sequence[Line]) -> Section:
    pages = dict.fromkeys(line.page for line in lines)
    blocks = tuple(
        Block(kind="lines", text="\n".join(line.text for line in lines if line.page == page), page=page)
        for page in pages
    )
    if heading is None:
        return Section(number="", title="", level=1, blocks=blocks)
    return Section(number=heading.number, title=heading.title, level=heading.level, blocks=blocks)


def _entries(lines: Sequence[Line]) -> tuple[str, ...]:
    """Divide references where each entry begins with its number in brackets; else give them page by page."""
    if not any(_ENTRY.match(line.text) for line in lines):
        return tuple(block.text for block in _section(None, lines).blocks)
    entries: list[list[str]] = [[]]
    for line in lines:
        if _ENTRY.match(line.text):
            entries.append([])
        entries[-1].append(line.text.strip())
    return tuple(" ".join(entry) for entry in entries if entry)
