"""How much of a paper's numbers and words comes back when its pages are pictures (extra `ocr`).

    python benchmarks/scans.py PAPER.pdf [PAGE…]

Draws the pages (from 1; else the first two) at 200 dots per inch in grey, writes them into a PDF without text, reads
that, and compares with the text layer: the share of numbers and of words of four letters that are there as often.
"""

from __future__ import annotations

import io
import re
import resource
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pypdfium2  # type: ignore[import-untyped]

from ml_intern.literature.document import Content, Refusal
from ml_intern.literature.pdf import read_pdf

RESOLUTION = 200


def main(path: Path, numbers: Sequence[int]) -> None:
    """Draw, read, compare and print."""
    document: Any = pypdfium2.PdfDocument(path)
    pages = [document[number - 1] for number in numbers]
    content = read_pdf(scanned(pages))
    if isinstance(content, Refusal):
        raise SystemExit(content.reason)
    text = "\n".join(page.get_textpage().get_text_range() for page in pages)
    read = _text(content)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    print(
        f"{path.stem} pages {', '.join(map(str, numbers))}: numbers {_recall(_numbers(text), _numbers(read)):.3f}"
        f" of {len(_numbers(text))}, words {_recall(_words(text), _words(read)):.3f} of {len(_words(text))};"
        f" {seconds / len(pages):.0f} s of a processor a page"
    )


def scanned(pages: Sequence[Any]) -> bytes:
    """Write a PDF of pictures of the pages."""
    pictures = [page.render(scale=RESOLUTION / 72, grayscale=True).to_pil().convert("L") for page in pages]
    file = io.BytesIO()
    pictures[0].save(file, "PDF", resolution=RESOLUTION, save_all=True, append_images=pictures[1:])
    return file.getvalue()


def _text(content: Content) -> str:
    blocks = [block for section in content.sections for block in section.blocks]
    titles = [f"{section.number} {section.title}" for section in content.sections]
    return "\n".join([*titles, *(block.text for block in (*blocks, *content.references))])


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+(?:[.,]\d+)*", unicodedata.normalize("NFKC", text))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]{4,}", re.sub(r"[\ufffe\x02-]\s*\n", "", text).lower())


def _recall(wanted: Sequence[str], found: Sequence[str]) -> float:
    there = Counter(found)
    return sum(min(count, there[one]) for one, count in Counter(wanted).items()) / max(len(wanted), 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(number) for number in sys.argv[2:]] or [1, 2])
