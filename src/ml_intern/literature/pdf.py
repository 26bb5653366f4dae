"""Read a PDF in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ml_intern.literature.clean import letters
from ml_intern.literature.document import Content, Refusal

TIMEOUT = 900.0
"""Seconds for one file; 15 pages take about one, but a page that must be recognised takes ten."""
ALIKE = 0.6
"""Part of the words of a title that the first pages must have: catalogues and files write some of them differently."""
FIRST = 12_000
"""Characters at the beginning that hold the title, whatever is printed above it."""
_CONTENT = TypeAdapter(Content)


def read_pdf(pdf: bytes) -> Content | Refusal:
    """Read a file, or say why nothing can be read from it; see `pdf_process`."""
    command = [sys.executable, "-I", str(Path(__file__).with_name("pdf_process.py"))]
    try:
        done = subprocess.run(command, input=pdf, capture_output=True, timeout=TIMEOUT, env={}, check=False)
    except subprocess.TimeoutExpired:
        return Refusal(reason=f"the PDF could not be read within {TIMEOUT:.0f} s", lasting=False)
    match done.returncode:
        case 0:
            return _content(done.stdout)
        case 3:
            return Refusal(reason=f"the PDF cannot be read: {done.stderr.decode(errors='replace').strip()}")
        case status:
            return Refusal(reason=f"reading the PDF ended with status {status}", lasting=False)


def _content(answer: bytes) -> Content | Refusal:
    try:
        return _CONTENT.validate_json(answer)
    except ValidationError:
        return Refusal(reason="reading the PDF gave nothing that can be understood", lasting=False)


def of_paper(content: Content, title: str) -> Content | Refusal:
    """Refuse what does not have the title of the paper that was asked for, and note where no heading was found."""
    begin = "\n".join(block.text for section in content.sections[:3] for block in section.blocks)[:FIRST]
    whole = "\n".join([begin, *(section.title for section in content.sections[:3])])
    begin, known = (unicodedata.normalize("NFKC", text) for text in (whole, title))  # for ligatures
    begin = letters(begin)
    words = [folded for word in known.split() if len(folded := letters(word)) > 3]
    if words and sum(word in begin for word in words) < ALIKE * len(words):
        return Refusal(reason="the file has the title of another paper")
    if any(section.title and section.title != "Footnotes" for section in content.sections):
        return content
    return replace(content, notes=(*content.notes, "No heading was found, so the text is one section."))
