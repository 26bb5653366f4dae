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

_FILE = re.compile(r"(?<![\w/.])(?:\.{0,2}/)[\w./-]+")
_REPOSITORY = re.compile(r"(?<![\w/.:-])([A-Za-z0-9][\w.-]*/[\w.-]*\w)(?![\w/])")
_EPOCHS = re.compile(r"\b(?:for )?(\d{1,4}) epochs?\b", re.IGNORECASE)
_PATCHES = re.compile(r"\b(\d{1,3})\s?[x\u00d7]\s?\1[ -](?:pixel )?patch(?:es)?\b", re.IGNORECASE)
_PUBLISH = re.compile(r"\b(?:publish|push|upload)\w*\b", re.IGNORECASE)
_TARGET = re.compile(
    r"\b(?:publish|push|upload)\w*\b[^.]*?\b(?:to|as)\s+([A-Za-z0-9][\w-]*(?:/[\w.-]*\w)?)", re.IGNORECASE
)
_TRANSFORMER = re.compile(r"\bvision transformers?\b|\bvit\b", re.IGNORECASE)
_SCRATCH = re.compile(r"\bfrom scratch\b", re.IGNORECASE)
_FILLERS = {"my", "the", "a", "hub", "hugging", "account", "huggingface"}


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
    publishes = _PUBLISH.search(task)
    target = _TARGET.search(task)
    named = target[1] if target and target[1].lower() not in _FILLERS else None
    return Order(
        dataset=_dataset(task, named),
        epochs=_phrase(_EPOCHS, task),
        patch=_phrase(_PATCHES, task),
        network=_whole("vision transformer", _TRANSFORMER, task),
        from_scratch=_whole("yes", _SCRATCH, task),
        publishes=Phrase(value="yes", words=publishes[0]) if publishes else None,
        repository=named,
    )


def _dataset(task: str, published_as: str | None) -> Phrase | None:
    """Prefer a path, then a name on the Hub, then a data set known by its plain name."""
    if path := _FILE.search(task):
        return Phrase(value=path[0].rstrip("."), words=path[0].rstrip("."))
    for found in _REPOSITORY.finditer(task):
        if found[1] != published_as:
            return Phrase(value=found[1], words=found[1])
    for pattern, reference in KNOWN_DATA.items():
        if said := re.search(rf"\b{pattern}\b", task, re.IGNORECASE):
            return Phrase(value=reference, words=said[0])
    return None


def _phrase(pattern: re.Pattern[str], task: str) -> Phrase | None:
    found = pattern.search(task)
    return Phrase(value=found[1], words=found[0]) if found else None


def _whole(value: str, pattern: re.Pattern[str], task: str) -> Phrase | None:
    found = pattern.search(task)
    return Phrase(value=value, words=found[0]) if found else None
