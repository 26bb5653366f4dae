"""Text of others inside Markdown: shown as it is, never obeyed as markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from ml_intern.core.neutral import one_line

_SPECIAL = re.compile(r"([\\`*\[\]|~#!$]|(?<!\w)_|_(?!\w))")  # between letters an underscore is none
_LEADING = re.compile(r"^([-+](?=\s|$)|-{2,}|=+|:|\d+[.)](?=\s|$))")


def plain(text: str) -> str:
    """Put `text` on one line, with control, direction and other invisible characters shown as their escapes."""
    return one_line(text)


def inline(text: str) -> str:
    """Escape `text` so that Markdown, HTML and tables show it literally, on one line."""
    escaped = _SPECIAL.sub(r"\\\1", html.escape(plain(text), quote=False))
    return _LEADING.sub(lambda found: re.sub(r"([-+=:.)])", r"\\\1", found.group(0)), escaped)


def paragraphs(text: str) -> str:
    """Escape `text` and keep its paragraphs, which blank lines separate."""
    return "\n\n".join(filter(None, (inline(part) for part in re.split(r"\n\s*\n", text))))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out cells, which the caller escaped, as a table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def bullets(items: Iterable[str]) -> str:
    """Lay out items, which the caller escaped, as a list."""
    return "\n".join(f"- {item}" for item in items)
