"""Take out of foreign text what a reader cannot see."""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, but for tab and newline
    "\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # soft hyphens, joiners, changes of direction
    "\ufdd0-\ufdef\ufff0-\ufffb\ufffe\uffff"  # not characters, interlinear marks
    "\U000e0000-\U000e0fff"  # tags: whole invisible alphabets
    "\ud800-\udfff"  # halves of pairs, which no file can hold
    "]"
)


def clean(text: str) -> str:
    """Drop invisible characters: they carry nothing for a person, but may carry words for a language model."""
    return _UNSEEN.sub("", text)


def letters(text: str) -> str:
    """Give letters and digits only, all small: two ways to write one title have the same."""
    return re.sub(r"[\W_]+", "", text).casefold()
