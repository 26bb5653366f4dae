"""Read a PDF in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ml_intern.literature.document import Content, Refusal

TIMEOUT = 900.0
"""Seconds for one file; 15 pages take about one, but a page that must be recognised takes ten."""
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
