"""Which model is meant: the service, its protocol and address, and the variable that holds the key."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

Provider: TypeAlias = Literal["anthropic", "openai", "google", "huggingface", "endpoint", "plugin"]
Wire: TypeAlias = Literal["chat", "responses", "anthropic", "google", "plugin"]

MAX_OUTPUT_TOKENS = 8_192
"""Tokens that one answer may have at most, unless told otherwise; reasoning counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName:
    """A parsed name.

    Attributes:
        provider: who serves it; `endpoint` is an address, `plugin` something registered under `model`.
        model: the name the service knows it by.
        wire: the protocol spoken. OpenAI itself is asked through its Responses API, which keeps the reasoning of a
            turn; every other address through chat completions, which all of them understand.
        base_url: the address asked; empty for a plugin.
        key_variable: the variable of the environment that holds the key; None where none is set and none is needed.
    """

    provider: Provider
    model: str
    wire: Wire
    base_url: str = ""
    key_variable: str | None = None

    @property
    def label(self) -> str:
        """How every surface names it; parsing it again in the same environment gives an equal value."""
        if self.provider == "plugin":
            return self.model
        return f"{self.base_url}#{self.model}" if self.provider == "endpoint" else f"{self.provider}:{self.model}"

    @property
    def is_local(self) -> bool:
        """Whether it is served by this machine: no key is needed and nothing is charged."""
        return is_loopback(self.base_url)


def is_loopback(address: str) -> bool:
    """Whether `address` is served by this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
