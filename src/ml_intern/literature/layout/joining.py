"""Join the lines of a paragraph, and paragraphs that a column, a page or a float has parted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_END = re.compile(r"""[.:?!]["')\]]?(?:\s*\^\{[^}]*\})*\s*$""")
"""What ends a sentence, marks of footnotes behind it too."""
_DANGLING = re.compile(
    r"(?:\b(?:the|of|and|to|in|for|with|on|a|an|by|is|are|that|from|as|our|we|this|than|or|at|which|be|can|has|have)|,)$"
)

_ADDRESS, _PATH = re.compile(r"https?://\S*[/_=&?~]$"), re.compile(r"[\w.-]+[/_-]\w")
"""An address that breaks off at the end of a line, and how one goes on that is no word of the sentence."""
_OPENING = frozenset({
    "all", "also", "and", "any", "can", "down", "every", "for", "further", "here", "less", "more", "never", "not",
    "one", "out", "over", "some", "than", "the", "there", "under", "up", "where", "with",
})  # fmt: skip
"""Words that closed compounds begin with (`there-fore`, `with-out`), so that two words around a break say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """How often a paper writes a word whole, and how often with a hyphen."""

    whole: Counter[str]
    hyphenated: Counter[str]

    def join(self, above: str, below: str) -> str:
        """Put two lines together; a hyphen between them stays where it is one of the word, see `_is_compound`."""
        first, second = re.search(r"([A-Za-z][A-Za-z-]*[A-Za-z])-$", above), re.match(r"([a-z]+)(-[a-z])?", below)
        if first and second:
            keeps = self._is_compound(first[1].lower(), second[1], goes_on=bool(second[2]))
            return (above if keeps else above[:-1]) + below
        is_whole = not above or above.endswith("-") or bool(_ADDRESS.search(above) and _PATH.match(below))
        return above + below if is_whole or below.startswith("//") else f"{above} {below}"

    def _is_compound(self, before: str, after: str, *, goes_on: bool) -> bool:
        """Whether a hyphen belongs to a word: the paper writes it so elsewhere, or never whole but both halves alone.

        Where the word has another hyphen, before the break or after it (`goes_on`), the halves may be short.
        """
        half = before.rpartition("-")[2]
        apart = self.hyphenated[f"{half}-{after}"] + (self.hyphenated[f"{before}-{after}"] if half != before else 0)
        if apart or self.whole[f"{half}{after}"]:
            return apart > self.whole[f"{half}{after}"]
        if not (self.whole[half] and self.whole[after]):
            return False
        return half != before or goes_on or (min(len(half), len(after)) > 2 and half not in _OPENING)


def vocabulary_of(words: Iterable[str]) -> Vocabulary:
    """Count the words of a paper, given in order; halves of broken ones are none."""
    whole, hyphenated = Counter[str](), Counter[str]()
    is_rest = False
    for word in words:
        is_half, is_rest = is_rest or word.endswith("-"), word.endswith("-")
        if is_half:
            continue
        low = word.lower()
        if "-" in word[1:-1]:
            hyphenated[re.sub(r"[^a-z-]", "", low)] += 1
        else:
            whole[re.sub(r"[^a-z]", "", low)] += 1
    return Vocabulary(whole=whole, hyphenated=hyphenated)


def ends_sentence(text: str) -> bool:
    """Whether nothing is missing behind `text`."""
    return _END.search(text) is not None


def goes_on(above: str, below: str, *, is_open: bool = False, may_be_name: bool = False) -> bool:
    """Whether the paragraph `above` breaks off and `below` continues it.

    The last line of what `is_open` fills its column. Where `below` `may_be_name`, it need not begin in small letters.
    """
    if re.search(r"[a-z]-$", above) and re.match(r"[a-z]", below):
        return True
    if ends_sentence(above) or above.startswith("["):
        return False
    if len(above) > 30 and _DANGLING.search(above):
        return True
    if is_open and (may_be_name or re.match(r"[a-z]", below)):
        return True
    return len(above) > 60 and re.match(r"\w" if above.endswith("-") else r"[a-z\d]|\((?![a-z]\))", below) is not None
