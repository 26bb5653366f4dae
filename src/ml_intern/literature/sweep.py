"""Ask a paper a fixed set of questions, one for each fact that an implementation needs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ml_intern.literature.chunks import OF_TABLE
from ml_intern.literature.index import Hit, Index, searchable
from ml_intern.literature.own_words import named, own_words
from ml_intern.literature.stated import under, values, with_optimizers

PASSAGES = 3
"""Passages a facet takes; the facts of papers that implementations need are among them (docs/design/0007)."""
DEEPER = 12
"""Passages looked at for a value that is in none of those."""
VARIANTS = 3
"""Facets that the heads of a table name, from which it is one of the paper's variants."""
QUOTED = 320
"""Characters of a quotation."""
_OF_OTHERS = re.compile(
    r"\b(?:(?:related|previous|prior)\s+works?|background|comparisons?|ablations?)\b", re.IGNORECASE
)
"""Headings under which numbers are those of other papers, or of what the paper does not propose."""
_OF_SETUP = re.compile(
    r"\b(?:set-?ups?|settings?|implementation|details?|hyper-?parameters?|training)\b", re.IGNORECASE
)
"""Headings under which they are the paper's wherever that is."""
_TUNING = re.compile(r"fine-?tun", re.IGNORECASE)
_TRAINING = re.compile(r"pre-?train|(?<!fine-)\btrain", re.IGNORECASE)
_APPENDIX = re.compile(r"appendix|[A-Z](?:\.\d+)*\s", re.IGNORECASE)
_OURS = re.compile(r"\bwe\b|\ball\s+(?:our\s+|of\s+our\s+)?(?:models|networks)\b", re.IGNORECASE)
"""Words with which authors say what they did themselves."""
_ASIDE = re.compile(
    r"^\W*(?:table|fig(?:ure)?)\.? \w+:"
    r"|\b(?:preliminary|ablat\w+|alternativ\w+|instead of|compar(?:e|ed|ing|isons?)|baselines?|unlike|explor\w+"
    r"|outperform\w*|timings?)\b"
    r"|\b(?:(?:we|also) tr(?:y|ied)|(?:prior|future) works?|attention maps?|visuali[sz]\w+)\b",
    re.IGNORECASE,
)
"""Sentences on what was tried, compared or shown beside what the paper proposes; and captions."""
_ENTRY = re.compile(r"\W*•")
"""The entry of a list, an aside where it states no value."""
_NO_QUANTITY = re.compile(
    r"\[\d[\d,\s\u2013-]*\]|\b(?:19|20)\d\d[a-z]?\b|\b(?:fig(?:ure)?s?|tab(?:le)?s?|eq(?:uation)?s?|sections?|appendix)\b\.?\s*[(\w.]+",
    re.IGNORECASE,
)
"""Citations, their years, and numbers of what is pointed at."""
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
    it, empty where it is none; `values` and `column` say how it is read, and `parts` is what a sentence has that states
    it of a part only; see `points`.
    """

    name: str
    phrasings: tuple[str, ...]
    sign: str
    has_quantity: bool
    compares: bool = False
    point: str = ""
    values: tuple[str, ...] = ()
    column: str = ""
    parts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotation:
    """Words of the paper as they stand there, with the section that has them.

    An aside speaks of what was tried, compared or shown beside what the paper proposes, as far as its words tell.
    `values` are what it states of the facet for the paper's own method: an aside has none.
    """

    anchor: str
    page: int | None
    text: str
    is_aside: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a paper says about one facet; no `quotations` where no passage states it."""

    facet: str
    quotations: tuple[Quotation, ...]
    hits: tuple[Hit, ...]


@cache
def facets() -> tuple[Facet, ...]:
    """Give the questions in order, from `facets.toml`."""
    table = tomllib.loads(Path(__file__).with_name("facets.toml").read_text("utf-8"))
    return tuple(
        Facet(
            name=entry["name"],
            phrasings=tuple(entry["phrasings"]),
            sign=with_optimizers(entry["sign"]),
            has_quantity=entry.get("has_quantity", False),
            compares=entry.get("compares", False),
            point=entry.get("point", ""),
            values=tuple(entry.get("value", ())),
            column=entry.get("column", ""),
            parts=entry.get("parts", ""),
        )
        for entry in table["facet"]
    )


def sweep(index: Index, paper: str) -> tuple[Finding, ...]:
    """Find for each facet the passages of `paper` (identifier with version) and the sentences that state it.

    A value that none of its own passages has is looked for in those of the other facets, as papers state several in one
    sentence, and then in more passages. Values of fine-tuning and of related work are taken only where there are no
    others. Rows of a table of variants, whose heads name several facets, come before sentences, and sentences on what
    the authors did before others.
    """
    asked = [(facet, index.find(facet.phrasings, papers=(paper,), limit=PASSAGES)) for facet in facets()]
    found = list({hit.passage: hit for _, hits in asked for hit in hits}.values())
    others = named(hit.passage.text for hit in found)
    variants = frozenset(hit.passage for hit in found if _heads(hit.passage.text) >= VARIANTS)
    findings: list[Finding] = []
    for facet, hits in asked:
        pools = _pools(index, facet, paper, hits, found)
        quotations = _stating(facet, pools, others) if facet.values else []
        quotations = quotations or sorted(_quotations(hits, facet, others), key=lambda q: q.is_aside)
        rows = [q for hit in found if hit.passage in variants and (q := _quotation(hit, facet, others)) and q.values]
        ordered = tuple(dict.fromkeys([*rows, *quotations]))[:PASSAGES]
        findings.append(Finding(facet=facet.name, quotations=ordered, hits=tuple(hits)))
    return tuple(findings)


def is_beside(path: Sequence[str]) -> bool:
    """Whether headings, outermost first, say that what stands under them is not what the paper proposes."""
    telling = (h for h in reversed(path) if _OF_OTHERS.search(h) or _OF_SETUP.search(h))
    return _OF_OTHERS.search(next(telling, "")) is not None


def _heads(text: str) -> int:
    """Count the facets whose values stand under a head of this table."""
    return sum(any(True for _ in under(facet.column, text)) for facet in facets() if facet.column)


def _pools(
    index: Index, facet: Facet, paper: str, hits: Sequence[Hit], found: Sequence[Hit]
) -> Iterator[Sequence[Hit]]:
    """Give where a value is looked for: a facet's own passages, those of all facets, and more of its own."""
    yield hits
    yield found
    yield index.find(facet.phrasings, papers=(paper,), limit=DEEPER)


def _stating(facet: Facet, pools: Iterable[Sequence[Hit]], others: frozenset[str]) -> list[Quotation]:
    """Quote from the first pool that has a value of the main training, else from the first that has any; then the rest.

    First comes what is of the main training, of the body and of the authors, and of that what has a new value.
    """
    first: list[Quotation] = []
    for hits in pools:
        ranked = sorted(
            ((_rank(hit, q, facet), q) for hit in hits if (q := _quotation(hit, facet, others))), key=lambda one: one[0]
        )
        stating = _new_first([q for _, q in ranked if q.values])
        rest = [q for rank, q in ranked if not q.values and not rank[0]]
        first = first or (stating and [*stating, *rest])
        if any(q.values and not rank[1] for rank, q in ranked):
            return [*stating, *rest]
    return first


def _rank(hit: Hit, quotation: Quotation, facet: Facet) -> tuple[int, ...]:
    """Say what speaks against a quotation, the worst first.

    Its heading, that it is of fine-tuning, an aside or of an appendix, that its words are less plain, and that the
    authors do not say that they did it.
    """
    words, path = quotation.text, hit.passage.path
    tunes = any(_TUNING.search(w) and not _TRAINING.search(_TUNING.sub("", w)) for w in (words, " ".join(path)))
    is_appended = bool(path) and _APPENDIX.match(path[0]) is not None
    plain = next((n for n, e in enumerate(facet.values) if any(True for _ in values([e], facet.column, words))), 0)
    return is_beside(path), tunes, quotation.is_aside, is_appended, plain, not _OURS.search(words)


def _new_first(quotations: Sequence[Quotation]) -> list[Quotation]:
    """Put those that have a value which none before them has before the others."""
    known: set[str] = set()
    again: list[Quotation] = []
    new: list[Quotation] = []
    for quotation in quotations:
        (again if set(quotation.values) <= known else new).append(quotation)
        known |= set(quotation.values)
    return [*new, *again]


def _quotations(hits: Sequence[Hit], facet: Facet, others: frozenset[str]) -> list[Quotation]:
    return [quotation for hit in hits if (quotation := _quotation(hit, facet, others)) is not None]


def _quotation(hit: Hit, facet: Facet, others: frozenset[str]) -> Quotation | None:
    """Quote the sentence that states a value of the paper's own, then the one with most words of the facet."""
    words = _words(" ".join(facet.phrasings))
    stating = [
        (bool(read), _has_value(facet, sentence), len(words & _words(sentence)), sentence, read)
        for sentence in _sentences(hit.passage.text)
        if re.search(facet.sign, sentence, re.IGNORECASE)
        and (not facet.has_quantity or _has_quantity(sentence, facet, others))
        for read in [_values(facet, sentence, hit.passage.path, others)]
    ]
    if not stating:
        return None
    *_, best, read = max(stating, key=lambda one: one[:3])
    # a table floats: its section may be that before the one that speaks of it
    label = OF_TABLE.search(hit.passage.text) if hit.passage.kind == "table" else None
    return Quotation(
        anchor=f"{hit.passage.anchor}, {label[1]}" if label else hit.passage.anchor,
        page=hit.passage.page,
        text=_cut(best),
        is_aside=not read and _is_aside(facet, best, hit.passage.path, others),
        values=read,
    )


def _values(facet: Facet, sentence: str, path: Sequence[str], others: frozenset[str]) -> tuple[str, ...]:
    """Give the values a sentence states for the paper's own method, none if it is an aside or speaks of a part."""
    if not facet.values or _is_aside(facet, sentence, path, others):
        return ()
    if facet.parts and re.search(facet.parts, sentence, re.IGNORECASE):
        return ()
    return tuple(dict.fromkeys(values(facet.values, facet.column, own_words(sentence, others))))


def _is_aside(facet: Facet, sentence: str, path: Sequence[str], others: frozenset[str]) -> bool:
    if facet.compares:
        return False
    if not facet.values:
        is_told = _ASIDE.search(sentence) or _ENTRY.match(sentence)
        return bool(is_told) or (is_beside(path) and not _OURS.search(sentence))
    own = own_words(sentence, others)
    return bool(_ASIDE.search(own)) or is_beside(path) or (_has_value(facet, sentence) and not _has_value(facet, own))


def _cut(text: str) -> str:
    """Shorten a quotation at the end of a word, and show that it was."""
    return text if len(text) <= QUOTED else f"{text[:QUOTED].rpartition(' ')[0]} …"


def _has_quantity(sentence: str, facet: Facet, others: frozenset[str]) -> bool:
    """Whether a sentence states a number of this paper."""
    own = own_words(sentence, frozenset() if facet.compares else others)
    return bool(_QUANTITY.search(_NO_QUANTITY.sub("", own)))


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
