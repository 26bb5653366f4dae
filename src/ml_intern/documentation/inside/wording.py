"""Cut identifiers and questions into the words that the index knows."""

from __future__ import annotations

import re

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[A-Za-z0-9]+")
_IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:_+[A-Za-z0-9]+)+_?")
_COMMON = """
a an the of for to in on with how do does i and or is are be by from my using use via when what which it its can as at
that this not all each me you function class method argument parameter python library
"""
SHORT = {
    "gradient": "grad", "gradients": "grad", "dimension": "dim", "convolution": "conv", "probability": "prob",
    "normalization": "norm", "average": "avg", "maximum": "max", "minimum": "min", "variance": "var", "matrix": "mat",
}  # fmt: skip
"""What libraries call some words in their names."""
_UNASKED = frozenset(_COMMON.split())


def words(text: str) -> list[str]:
    """Give the words of a text in lower case, identifiers cut at underscores, dots and capitals."""
    return [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text))]


def identifiers(text: str) -> list[str]:
    """Give the identifiers that have an underscore inside, whole and in lower case."""
    return [name.lower() for name in _IDENTIFIER.findall(text)]


def asked(question: str) -> list[str]:
    """Give the words of a question that say something, once each."""
    return [word for word in dict.fromkeys([*identifiers(question), *words(question)]) if word not in _UNASKED]
