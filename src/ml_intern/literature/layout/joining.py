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


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """How often a paper writes a word whole, and how often with a hyphen."""

    whole: Counter[str]
    hyphenated: Counter[str]

    def join(self, above: str, below: str) -> str:
        """Put two lines together; a hyphen between them stays where the paper writes the word with one elsewhere."""
        first, second = re.search(r"([A-Za-z]{2,})-$", above), re.match(r"([a-z]+)", below)
        if first and second:
            whole = f"{first[1]}{second[1]}".lower()
            is_compound = self.hyphenated[f"{first[1]}-{second[1]}".lower()] > self.whole[whole]
            return (above if is_compound else above[:-1]) + below
        return above + below if above.endswith("-") or not above else f"{above} {below}"


def vocabulary_of(words: Iterable[str]) -> Vocabulary:
    """Count the words of a paper."""
    whole, hyphenated = Counter[str](), Counter[str]()
    for word in words:
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
