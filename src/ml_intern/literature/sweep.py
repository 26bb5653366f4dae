"""Ask a paper a fixed set of questions, one for each fact that an implementation needs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_intern.literature.chunks import Passage
from ml_intern.literature.index import Hit, Index, searchable
from ml_intern.literature.stated import under, values

PASSAGES = 3
"""Passages a facet takes; the facts of papers that implementations need are among them (docs/design/0007)."""
VARIANTS = 3
"""Facets that the heads of a table name, from which it is one of the paper's variants."""
QUOTED = 320
"""Characters of a quotation."""
_OF_OTHERS = re.compile(r"\b(?:related|previous|prior)\s+works?\b", re.IGNORECASE)
"""Headings under which numbers are those of other papers."""
_SAID_OF_OTHERS = re.compile(
    r"\bet al\.,?\s*[(\[](?:(?:19|20)\d\d[a-z]?|\d+)[)\]]\s+(?:\w+ly\s+)?"
    r"(?:propos|us|introduc|appl|train|employ|adopt|replac|stack|set)\w*",
    re.IGNORECASE,
)
"""A citation as the subject of a sentence: its numbers are not this paper's."""
_OURS = re.compile(r"\bwe\b|\ball\s+(?:our\s+|of\s+our\s+)?(?:models|networks)\b", re.IGNORECASE)
"""Words with which authors say what they did themselves."""
_ASIDE = re.compile(
    r"^\W*•|^\W*(?:table|fig(?:ure)?)\.? \w+:"
    r"|\b(?:preliminary|ablat\w+|alternativ\w+|instead of|compar(?:e|ed|ing|isons?)|baselines?|unlike|explor\w+)\b"
    r"|\b(?:(?:we|also) tr(?:y|ied)|(?:prior|future) works?|attention maps?|visuali[sz]\w+)\b",
    re.IGNORECASE,
)
"""Sentences on what was tried, compared or shown beside what the paper proposes; such lists' entries, and captions."""
_LABEL = re.compile(r"^\**(table\s*[A-Z]?\d+)", re.IGNORECASE | re.MULTILINE)
"""What the caption of a table calls it: one floats, so its section may be that before the one that speaks of it."""
_NO_QUANTITY = re.compile(
    r"\b(?:19|20)\d\d[a-z]?\b|\b(?:fig(?:ure)?s?|tab(?:le)?s?|eq(?:uation)?s?|sections?|appendix)\b\.?\s*[(\w.]+",
    re.IGNORECASE,
)
"""Years of citations and numbers of what is pointed at."""
_QUANTITY = re.compile(r"(?<![\w./-])\d|\\times\s*\d")
"""A number that is no part of a name, as that in ImageNet-21k or v3 is."""
_SENTENCE = re.compile(
    r"(?<=[.!?])(?<!\bal\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bcf\.)(?<!\bvs\.)(?<!\bFig\.)(?<!\bEq\.)(?<!\bTab\.)(?<!\bSec\.)"
    r"\s+(?=[A-Z(\[])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """One kind of fact.

    `phrasings` are the words papers use for it, `sign` is what a sentence that states it has, and `has_quantity`
    whether that is a number; `compares` says that comparisons are what is asked for. `point` is what a contract calls
    it, empty where it is none; `values` and `column` say how
    it is read, see `points`.
    """

    name: str
    phrasings: tuple[str, ...]
    sign: str
    has_quantity: bool
    compares: bool = False
    point: str = ""
    values: tuple[str, ...] = ()
    column: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotation:
    """Words of the paper as they stand there, with the section that has them.

    An aside speaks of what was tried, compared or shown beside what the paper proposes, as far as its words tell.
    """

    anchor: str
    page: int | None
    text: str
    is_aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a paper says about one facet; no `quotations` where no passage states it."""

    facet: str
    quotations: tuple[Quotation, ...]
    hits: tuple[Hit, ...]


def facets() -> tuple[Facet, ...]:
    """Give the questions in order, from `facets.toml`."""
    table = tomllib.loads(Path(__file__).with_name("facets.toml").read_text("utf-8"))
    return tuple(
        Facet(
            name=entry["name"],
            phrasings=tuple(entry["phrasings"]),
            sign=entry["sign"],
            has_quantity=entry.get("has_quantity", False),
            compares=entry.get("compares", False),
            point=entry.get("point", ""),
            values=tuple(entry.get("value", ())),
            column=entry.get("column", ""),
        )
        for entry in table["facet"]
    )


def sweep(index: Index, paper: str) -> tuple[Finding, ...]:
    """Find for each facet the passages of `paper` (identifier with version) and the sentences that state it.

    A value that none of its own passages has is looked for in those of the other facets: papers state several in one
    sentence. Values of related work are taken only where there are no others. Rows of a table of variants, whose heads
    name several facets, come before sentences, and sentences on what the authors did before others.
    """
    asked = [(facet, index.find(facet.phrasings, papers=(paper,), limit=PASSAGES)) for facet in facets()]
    found = list({hit.passage: hit for _, hits in asked for hit in hits}.values())
    variants = frozenset(hit.passage for hit in found if _heads(hit.passage.text) >= VARIANTS)
    return tuple(_finding(facet, hits, found, variants) for facet, hits in asked)


def _heads(text: str) -> int:
    """Count the facets whose values stand under a head of this table."""
    return sum(any(True for _ in under(facet.column, text)) for facet in facets() if facet.column)


def _finding(facet: Facet, hits: Sequence[Hit], found: Sequence[Hit], variants: frozenset[Passage]) -> Finding:
    quotations = _quotations(hits, facet)
    quotations.sort(key=lambda quotation: quotation.is_aside)
    if facet.values:
        own, around = ([h for h in some if not _OF_OTHERS.search(" ".join(h.passage.path))] for some in (hits, found))
        valued = _valued(own, facet) or _valued(around, facet) or _valued(hits, facet) or _valued(found, facet)
        quotations = list(dict.fromkeys([*valued, *_quotations(own, facet)]))[:PASSAGES]
    tables = [
        q for hit in found if hit.passage in variants and (q := _quotation(hit, facet)) and _has_value(facet, q.text)
    ]
    ordered = dict.fromkeys([*tables, *quotations])
    return Finding(facet=facet.name, quotations=tuple(ordered)[:PASSAGES], hits=tuple(hits))


def _valued(hits: Sequence[Hit], facet: Facet) -> list[Quotation]:
    """Quote what has a value: first what the authors did, and of that what has a value that none before it has."""
    ours = sorted(
        (q for q in _quotations(hits, facet) if _has_value(facet, q.text)), key=lambda q: not _OURS.search(q.text)
    )
    known: set[str] = set()
    again: list[Quotation] = []
    new: list[Quotation] = []
    for quotation in ours:
        stated = set(values(facet.values, facet.column, quotation.text))
        (again if stated <= known else new).append(quotation)
        known |= stated
    return [*new, *again]


def _quotations(hits: Sequence[Hit], facet: Facet) -> list[Quotation]:
    return [quotation for hit in hits if (quotation := _quotation(hit, facet)) is not None]


def _quotation(hit: Hit, facet: Facet) -> Quotation | None:
    best = _best(hit.passage.text, facet)
    if not best:
        return None
    is_aside = not facet.compares and _ASIDE.search(best) is not None
    label = _LABEL.search(hit.passage.text) if hit.passage.kind == "table" else None
    anchor = f"{hit.passage.anchor}, {label[1]}" if label else hit.passage.anchor
    return Quotation(anchor=anchor, page=hit.passage.page, text=_cut(best), is_aside=is_aside)


def _cut(text: str) -> str:
    """Shorten a quotation at the end of a word, and show that it was."""
    return text if len(text) <= QUOTED else f"{text[:QUOTED].rpartition(' ')[0]} …"


def _best(text: str, facet: Facet) -> str:
    """Give the sentence that has a value, then most words of the facet, of those that state it; empty for none."""
    words = _words(" ".join(facet.phrasings))
    stating = [
        sentence
        for sentence in _sentences(text)
        if re.search(facet.sign, sentence, re.IGNORECASE) and (not facet.has_quantity or _has_quantity(sentence))
    ]
    return max(stating, key=lambda sentence: (_has_value(facet, sentence), len(words & _words(sentence))), default="")


def _has_quantity(sentence: str) -> bool:
    """Whether a sentence states a number of this paper."""
    return not _SAID_OF_OTHERS.search(sentence) and bool(_QUANTITY.search(_NO_QUANTITY.sub("", sentence)))


def _has_value(facet: Facet, sentence: str) -> bool:
    return any(True for _ in values(facet.values, facet.column, sentence))


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]{3,}", searchable(text)))


def _sentences(text: str) -> Iterator[str]:
    """Give sentences of prose, and rows of tables each with the head of its table."""
    head = next((line for line in text.split("\n") if line.startswith("|")), "")
    for line in text.split("\n"):
        if line.startswith("| ---") or line == head:
            continue
        if line.startswith("|"):
            yield f"{head} / {line}"
        else:
            yield from _SENTENCE.split(line)
