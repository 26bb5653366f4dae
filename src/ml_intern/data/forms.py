"""Which files hold data, and how much of them is too much."""

from __future__ import annotations

_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".arrow", ".txt", ".gz", ".zst", ".zip", ".tar")
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")

SUFFIXES = frozenset(_TABLES + _IMAGES)
"""Endings of files that hold data; nothing else is downloaded or counted."""

MOST_BYTES = 4 << 30
MOST_FILES = 100_000
