from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ml_intern.config import Settings
from ml_intern.core.errors import ConfigError
from ml_intern.literature.chunks import Passage
from ml_intern.literature.embedding import StaticEmbedder, load
from ml_intern.literature.index import Index

MEANINGS = ({"rate", "step"}, {"heads", "attention"}, {"patches", "pieces"})


class ByMeaning:
    """Gives one number for each meaning that a text has a word of, and remembers what it was asked."""

    name = "meanings"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked += texts
        return [[float(bool(meaning & set(text.lower().split()))) for meaning in MEANINGS] for text in texts]


def passage(text: str) -> Passage:
    return Passage(anchor="1", path=("1 Method",), kind="text", text=text)


PASSAGES = [passage("the step is annealed"), passage("several heads look"), passage("pieces of images")]


def texts(index: Index, question: str, **where: Any) -> list[str]:
    return [hit.passage.text for hit in index.find([question], limit=1, **where)]


def test_a_question_in_other_words_is_answered_where_a_model_is_set_and_not_by_words_alone(tmp_path: Path) -> None:
    words, both = Index(tmp_path / "words"), Index(tmp_path / "both", ByMeaning)
    for index in (words, both):
        index.add("p", PASSAGES)

    assert texts(words, "which rate") == []
    assert texts(both, "which rate") == ["the step is annealed"]


def test_words_count_more_than_likeness(tmp_path: Path) -> None:
    index = Index(tmp_path, ByMeaning)
    index.add("p", [*PASSAGES, passage("the rate of crimes in towns")])

    assert texts(index, "rate of crimes")[0] == "the rate of crimes in towns"


def test_vectors_are_made_once_and_anew_for_a_paper_that_was_read_anew(tmp_path: Path) -> None:
    embedder = ByMeaning()
    index = Index(tmp_path, lambda: embedder)
    index.add("p", PASSAGES)
    for _ in range(2):
        texts(index, "rate", papers=["p"])
    index.add("p", [passage("attention to all")])

    assert texts(index, "many heads") == ["attention to all"]
    assert embedder.asked == [*(p.text for p in PASSAGES), "rate", "rate", "attention to all", "many heads"]


class Model:
    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        return [[3.0, 4.0] for _ in texts]


class Library:
    """Stands for model2vec: a model that is a folder, with vectors that are not of length 1."""

    class StaticModel:
        @staticmethod
        def from_pretrained(path: str) -> Any:
            if path == "nowhere":
                raise OSError("no such repository")
            return Model()


def test_a_model_is_loaded_from_its_folder_and_gives_vectors_of_length_one(tmp_path: Path) -> None:
    embedder = load(str(tmp_path), imported=lambda name: Library)

    assert isinstance(embedder, StaticEmbedder)
    assert (embedder.name, embedder.embed(["a", "b"])) == (str(tmp_path), [[0.6, 0.8], [0.6, 0.8]])


def test_a_model_that_cannot_be_had_is_for_the_person_to_mend() -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    with pytest.raises(ConfigError, match=r"open-ml-intern\[embeddings\]"):
        load("x", imported=absent)
    with pytest.raises(ConfigError, match="no such repository"):
        load("nowhere", imported=lambda name: Library)


def test_no_model_is_used_unless_one_is_named() -> None:
    assert Settings.load({"HOME": "/h"}).embeddings is None
    assert Settings.load({"HOME": "/h", "ML_INTERN_EMBEDDINGS": " /m "}).embeddings == "/m"
