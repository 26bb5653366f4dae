"""Make strings that come from data harmless and recognisable before a language model reads them."""

from __future__ import annotations

import json


def plain(text: str, limit: int = 300) -> str:
    """Give `text` in one line without control and format characters, at most `limit` characters."""
    kept = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


def quoted(text: str, limit: int = 80) -> str:
    """Give `text` made plain and in quotes, so that a reader sees where the data's own words begin and end."""
    return json.dumps(plain(text, limit), ensure_ascii=False)
