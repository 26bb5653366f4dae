"""Leave out of a sentence what it denies, sets apart or says of another's method."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CITED = r"(?:\[\d[\d,\s\u2013-]*\]|\([^()]*(?:19|20)\d\d[a-z]?[^()]*\))"
_NAME = r"[A-Z][\w-]*(?:[A-Z]|\d)[\w-]*"
_WITH_CITATION = re.compile(rf"\b({_NAME})\s*{_CITED}")
_CLAUSE = re.compile(
    r"(?<!\\);\s+|,?\s+(?:but|whereas|while)\s+|,\s+(?:and\s+)?(?=(?:we|our)\b)|,\s+and\s+(?=(?-i:[A-Z]{2}))",
    re.IGNORECASE,
)
"""Where the subject may change."""
_SET_APART = re.compile(
    r"\b(?:instead of|rather than|as opposed to|in place of|in contrast (?:to|with)|contrary to|unlike|without"
    r"|compared (?:to|with)|replac(?:e[sd]?|ing)|than(?=\s+(?-i:[A-Z]))"
    r"|not(?=\s+(?:the\b|an?\b|with\b|by\b|using\b|(?-i:[A-Z]))))"
    r"\s(?:(?:with|by|using)\s)?.*?(?:(?=\s(?:with|by|at|and|for|is|are|has|have|we|uses?|trained)\b)|(?=[,;:)])|$)"
    r"(?:,\s*(?:who|which|whose|where)\b[^,;]*)?",
    re.IGNORECASE,
)
"""What stands beside what is meant, and what a relative clause says of it."""
_DENIED = re.compile(
    r"\b(?:(?:do|does|did|is|are|was|were|has|have|had|can|could|will|would|need)(?:\s+not|n['\u2019]t)|cannot|never"
    r"|no longer)\b(?!\s+(?:only|just|merely|exceed|tune|change|alter|modify))"
    r"(?:[^,;]|,(?=\s*(?:which|who|as|since|because|where)\b|\d{3}))*",
    re.IGNORECASE,
)
"""What a verb with `not` denies, and why."""
_DOES = (
    r"(?:\w+ly\s+)?(?:us(?:e[sd]?|ing)\b|employ|adopt|appl[iy]|train|propos|introduc|replac|stack|set\b|sets\b|has\b|had\b"
    r"|have\b|consist|took\b|takes?\b|mention|report|show|f[io]und|observ|present|demonstrat|suggest|optimi"
    r"|(?:is|are|was|were)\s+(?:\w+ly\s+)?(?:pre-?|fine-?)?(?:train|tun|optimi|built|composed))"
)
_OF_AUTHORS = re.compile(rf"\bet al\.?,?(?:\s*{_CITED})?\s+{_DOES}", re.IGNORECASE)
"""Authors who are cited as the subject of a clause."""


def named(texts: Iterable[str]) -> frozenset[str]:
    """Give the names of methods that a paper cites others for: `GPT (Doe et al., 2018)`, `VGG-16 [4]`."""
    return frozenset(match[1] for text in texts for match in _WITH_CITATION.finditer(text))


def own_words(sentence: str, others: frozenset[str] = frozenset()) -> str:
    """Give what a sentence says of the paper's own method; empty where that is nothing. `others` are names of others'.

    What is denied, what something is done instead of, and clauses whose subject are other authors or one of `others`
    are left out. A row of a table stays as it is.
    """
    if sentence.startswith("|"):
        return sentence
    kept = [clause for clause in _CLAUSE.split(_SET_APART.sub(" ", sentence)) if not _of_others(clause, others)]
    return "; ".join(part for clause in kept if (part := _DENIED.sub(" ", clause).strip()))


def _of_others(clause: str, others: frozenset[str]) -> bool:
    subject = re.match(
        rf"\W*(?:(?:and|the|an?|original|both|[A-Z]\w+)\s+)?({_NAME})(?:\s*{_CITED})?(?:\s+\w+)?\s+{_DOES}", clause
    )
    is_cited = subject is not None and bool({subject[1], subject[1].removesuffix("s")} & others)
    return is_cited or _OF_AUTHORS.search(clause) is not None
