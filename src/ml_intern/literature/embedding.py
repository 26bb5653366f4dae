"""Turn texts into vectors by a static model of the extra `embeddings`; off unless a person names one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from operator import mul
from pathlib import Path
from typing import Any, Protocol

from ml_intern.core.errors import ConfigError

BATCH = 256
"""Texts given to a model at once."""


class Embedder(Protocol):
    """Gives a vector for each text. Two models of one `name` must give the same vectors."""

    @property
    def name(self) -> str:
        """What vectors that were stored are told apart by."""
        ...

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Give vectors of one length, in the order of `texts`."""
        ...


class StaticEmbedder:
    """A model2vec model: a table of word vectors, so that no network runs. `model` has `encode(texts)`."""

    def __init__(self, name: str, model: Any) -> None:
        self.name = name
        self._model = model

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Give vectors of length 1."""
        found: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            found += [unit([float(x) for x in row]) for row in self._model.encode(list(texts[start : start + BATCH]))]
        return found


def load(name: str, *, imported: Callable[[str], Any] = import_module) -> Embedder:
    """Load the model that `name` gives: a folder, or a name on the Hub, which the library fetches.

    Raises:
        ConfigError: the extra is not installed, or there is no such model.
    """
    try:
        library = imported("model2vec")
    except ImportError as error:
        raise ConfigError(
            "ML_INTERN_EMBEDDINGS names a model, but the extra is not installed: pip install"
            " 'open-ml-intern[embeddings]', or unset the variable to search by words"
        ) from error
    place = Path(name).expanduser()
    try:
        model = library.StaticModel.from_pretrained(str(place) if place.exists() else name)
    except (OSError, ValueError) as error:
        raise ConfigError(f"ML_INTERN_EMBEDDINGS is {name!r}, which cannot be loaded: {error}") from error
    return StaticEmbedder(str(place.resolve()) if place.exists() else name, model)


@cache
def configured(name: str) -> Embedder:
    """Load a model once in a process."""
    return load(name)


def unit(vector: Sequence[float]) -> list[float]:
    """Scale to length 1; zeros stay zeros."""
    length = sum(map(mul, vector, vector)) ** 0.5
    return [x / length for x in vector] if length else list(vector)


def likeness(one: Sequence[float], other: Sequence[float]) -> float:
    """Give the cosine of two vectors of length 1."""
    return float(sum(map(mul, one, other)))
