"""Take what a paper declares of its counters: theorems, and what counts within what."""

from __future__ import annotations

from ml_intern.literature.tex.numbers import Numbers
from ml_intern.literature.tex.words import Cursor, Words, plain

DECLARATIONS = frozenset({"newtheorem", "numberwithin", "counterwithin"})
_COUNTERS = {"figure": "Figure", "table": "Table"}


def declare(name: str, cursor: Cursor, numbers: Numbers, words: Words) -> None:
    """Take one of `DECLARATIONS` with its arguments."""
    is_numbered = not cursor.star()
    first = plain(cursor.argument())
    if name != "newtheorem":  # {equation}{section}
        numbers.within[_COUNTERS.get(first, first)] = plain(cursor.argument())
        return
    shared = plain(cursor.optional() or ())
    title = words.text(cursor.argument())
    within = plain(cursor.optional() or ())
    numbers.declare(first, title, shared=shared, within=within, is_numbered=is_numbered)
