"""Read a task's sentence by rules: data set, epochs, patch size, whether to publish and under which name."""

from __future__ import annotations

import re
from dataclasses import dataclass

KNOWN_DATA = {
    r"(handwritten )?digits": "sklearn/digits",
    r"iris": "sklearn/iris",
    r"wine": "sklearn/wine",
    r"breast[ -]cancer": "sklearn/breast_cancer",
    r"diabetes": "sklearn/diabetes",
}
"""Data sets that come with scikit-learn, by what people call them."""

_URL = re.compile(r"https?://huggingface\.co/datasets/([A-Za-z0-9][\w.-]*/[\w.-]*\w)[\w/.-]*")
_FILE = re.compile(
    r"(?<![\w/.:~-])(?:\.{0,2}|~)/(?!/)[\w./-]+|(?<![\w/.:-])[\w-][\w./-]*\.(?:csv|tsv|jsonl?|parquet)\b"
)
_REPOSITORY = re.compile(r"(?<![\w/.:-])([A-Za-z0-9][\w.-]*/[\w.-]*\w)(?![\w/])")
_EPOCHS = re.compile(r"\b(?:for )?(\d{1,4}) epochs?\b", re.IGNORECASE)
_PATCHES = re.compile(r"\b(\d{1,3})\s?[x\u00d7]\s?\1[ -](?:pixel )?patch(?:es)?\b", re.IGNORECASE)
_PUBLISH = re.compile(r"\b(?:publish|push|upload)\w*\b", re.IGNORECASE)
_TARGET = re.compile(
    r"\b(?:publish|push|upload)\w*\b[^.]*?\b(?:to|as)\s+([A-Za-z0-9][\w-]*(?:/[\w.-]*\w)?)", re.IGNORECASE
)
_AS = re.compile(r"\b(?:publish|push|upload)\w*\b[^.]*?\bas\s+([A-Za-z0-9][\w-]*(?:/[\w.-]*\w)?)", re.IGNORECASE)
_REFUSAL = re.compile(
    r"(?:\b(?:not|never|without)|n['\u2019]t)\s+(?:\w+\s+){0,2}?(?:publish|push|upload)", re.IGNORECASE
)
_AFTER = re.compile(r"\b(?:on|from|of|using|with|data|data ?set)\s+(?:the\s+)?$", re.IGNORECASE)
"""What stands before the name of a data set, and not before `ViT/MLP` or `and/or`."""
_TRANSFORMER = re.compile(r"\bvision transformers?\b|\bvit\b", re.IGNORECASE)
_SCRATCH = re.compile(r"\bfrom scratch\b", re.IGNORECASE)
_FILLERS = {"my", "the", "a", "hub", "hugging", "account", "huggingface", "soon", "well", "it"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A value and the words of the sentence that give it."""

    value: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the sentence asks for; None where it is silent."""

    dataset: Phrase | None
    epochs: Phrase | None
    patch: Phrase | None
    network: Phrase | None
    from_scratch: Phrase | None
    publishes: Phrase | None
    repository: str | None


def read_sentence(task: str) -> Order:
    """Find what the rules know in `task`."""
    publishes = None if _REFUSAL.search(task) else _PUBLISH.search(task)
    target = _target(task)
    return Order(
        dataset=_dataset(task, target.span(1) if target else None),
        epochs=_phrase(_EPOCHS, task),
        patch=_phrase(_PATCHES, task),
        network=_whole("vision transformer", _TRANSFORMER, task),
        from_scratch=_whole("yes", _SCRATCH, task),
        publishes=Phrase(value="yes", words=publishes[0]) if publishes else None,
        repository=target[1] if target else None,
    )


def _target(task: str) -> re.Match[str] | None:
    """Find the name to publish under: after the first `to` or `as`, else after `as`."""
    found = (pattern.search(task) for pattern in (_TARGET, _AS))
    return next((match for match in found if match and match[1].lower() not in _FILLERS), None)


def _dataset(task: str, published_as: tuple[int, int] | None) -> Phrase | None:
    """Prefer an address or a path, then a name on the Hub where data are named, then a plain name, then any name."""
    if url := _URL.search(task):
        return Phrase(value=url[1], words=url[0])
    if path := _FILE.search(task):
        return Phrase(value=path[0].rstrip("."), words=path[0].rstrip("."))
    names = [found for found in _REPOSITORY.finditer(task) if found.span(1) != published_as]
    named = [found for found in names if _AFTER.search(task[: found.start()])]
    known = (
        Phrase(value=reference, words=said[0])
        for pattern, reference in KNOWN_DATA.items()
        if (said := re.search(rf"\b{pattern}\b", task, re.IGNORECASE))
    )
    hub = [Phrase(value=found[1], words=found[1]) for found in (named or names)]
    return hub[0] if named else next(known, hub[0] if hub else None)


def _phrase(pattern: re.Pattern[str], task: str) -> Phrase | None:
    found = pattern.search(task)
    return Phrase(value=found[1], words=found[0]) if found else None


def _whole(value: str, pattern: re.Pattern[str], task: str) -> Phrase | None:
    found = pattern.search(task)
    return Phrase(value=value, words=found[0]) if found else None
