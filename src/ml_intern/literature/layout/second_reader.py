"""Ask liteparse for the LaTeX of formulas; where it fails there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from liteparse.parser import LiteParse
from liteparse.types import ParseError

from ml_intern.literature.layout.latex import Formula

Formulas: TypeAlias = Mapping[int, Sequence[Formula]]
"""By the number of the page, from 1."""


def formulas(pdf: bytes, pages: Sequence[int]) -> Formulas:
    """Give the text of some pages, `$…$` around formulas, piece by piece."""
    if not pages:
        return {}
    reader = LiteParse(
        target_pages=",".join(map(str, pages)),
        ocr_enabled=False,
        quiet=True,
        extract_text_metadata=False,
        image_mode="off",
        num_workers=1,
        continue_on_page_error=True,
    )
    try:
        parsed = reader.parse(pdf)
    except ParseError:
        return {}
    return {
        page.page_num: [
            Formula(text=item.text, x0=item.x, x1=item.x + item.width, y0=item.y, y1=item.y + item.height)
            for item in page.text_items
            if not item.rotation
        ]
        for page in parsed.pages
    }
