"""What a failed request means: whether it is worth asking again, after how long, and whom it concerns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ml_intern.core.errors import ConfigError, MLInternError, ModelError
from ml_intern.llm.model_name import ModelName

Kind: TypeAlias = Literal[
    "connection", "cut", "busy", "broken", "key", "unknown_model", "too_long", "no_credit", "withheld", "rejected"
]

MAX_TRIES = 4
"""Requests for one answer, the first included."""

MAX_PAUSE = 120.0
"""Seconds that a service may ask us to wait before the next try; beyond that the run stops and can be resumed."""

_PAUSES = (1.0, 4.0, 16.0)
_PASSING: frozenset[Kind] = frozenset({"connection", "cut", "busy", "broken"})
_TOO_LONG = ("context length", "context window", "context_length", "prompt is too long", "reduce the length")
_TOO_LONG_EXACT = ("exceeds the maximum number of tokens", "input is too long", "too many tokens")
_NO_CREDIT = ("insufficient_quota", "exceeded your current quota", "credit balance", "billing")
_BAD_KEY = ("api key not valid", "api_key_invalid", "invalid api key", "incorrect api key")


_SENTENCES: Mapping[Kind, tuple[type[ConfigError | ModelError], str]] = {
    "key": (ConfigError, "{where} refused {holder}{said}. Correct it, or use --model rules, which needs no key"),
    "unknown_model": (ConfigError, "{where} does not serve {name!r}{said}. Check the model's name and the address"),
    "too_long": (ModelError, "the conversation is too long for {model}{said}. Resume with a model that takes more"),
    "no_credit": (ModelError, "the account for {model} has no credit left{said}. Add credit, then resume the run"),
    "withheld": (ModelError, "{model} withheld its answer{said}. Word the task differently, or use another model"),
    "rejected": (ModelError, "{model} rejected the request{said}"),
    "busy": (ModelError, "{model} takes no more requests{said}. Resume the run {later}"),
    "broken": (ModelError, "{model} failed to answer{said}. Resume the run {later}"),
    "cut": (ModelError, "{model} stopped in the middle of its answer{said}. Resume the run {later}"),
    "connection": (
        ModelError,
        "the connection to {model} failed{said}. Check that {where} can be reached, then resume",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One request that gave no answer.

    Attributes:
        kind: what went wrong.
        text: the service's own words, without the key.
        status: the HTTP status, where there was one.
        retry_after: seconds that the service asks to wait.
    """

    kind: Kind
    text: str
    status: int | None = None
    retry_after: float | None = None


def kind_of(status: int, text: str) -> Kind:
    """Judge an HTTP status together with the words that came with it."""
    words = text.lower()
    if any(phrase in words for phrase in (*_TOO_LONG, *_TOO_LONG_EXACT)) or status == 413:
        return "too_long"
    if status == 402 or any(phrase in words for phrase in _NO_CREDIT):
        return "no_credit"
    if status in {401, 403} or any(phrase in words for phrase in _BAD_KEY):
        return "key"
    if status == 404:
        return "unknown_model"
    if status in {408, 409, 425, 429, 529}:
        return "busy"
    return "broken" if status >= 500 else "rejected"


def pause(failure: Failure, tries: int) -> float | None:
    """Give the seconds to wait before the next request, after `tries` failed ones; None where none is worth making."""
    if failure.kind not in _PASSING or tries >= MAX_TRIES:
        return None
    wanted = _PAUSES[tries - 1]
    if failure.retry_after is not None:
        wanted = max(failure.retry_after, 0.0)
    return wanted if wanted <= MAX_PAUSE else None


def explain(failure: Failure, name: ModelName, tries: int) -> MLInternError:
    """Turn the last failure into the error of whoever can act on it."""
    kind, sentence = _SENTENCES[failure.kind]
    holder = f"the key in {name.key_variable}" if name.key_variable else "a request without a key"
    status = f" (HTTP {failure.status})" if failure.status else ""
    said = f"{f' after {tries} tries' if tries > 1 else ''}{status}: {failure.text}"
    later = f"in {failure.retry_after:g} s, as it asks" if failure.retry_after else "later"
    words = {"model": name.label, "name": name.model, "where": name.base_url, "holder": holder, "later": later}
    return kind(sentence.format(said=said, **words))
