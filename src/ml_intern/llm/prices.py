"""What a request costs in US dollars, from a price list that ships with the package; the network is never asked."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

from genai_prices import Usage as Priced
from genai_prices import calc_price

from ml_intern.core.messages import Message, ToolSpec, Usage
from ml_intern.llm.model_name import ModelName

BYTES_PER_TOKEN = 3.2
"""Bytes of UTF-8 per token: the usual 4, less a fifth, since an estimate that is too low would break a budget."""

TOKENS_PER_MESSAGE = 8
"""What the frame around one message or tool costs, at most."""


def usd(name: ModelName, usage: Usage, *, written_tokens: int = 0) -> float | None:
    """Price `usage`; 0 for a model that this machine serves, None where no price is known.

    Args:
        name: the model that was asked.
        usage: its tokens; `input_tokens` counts every token of the prompt, cached or not.
        written_tokens: tokens among them that were written to the provider's prompt cache.
    """
    if name.is_local:
        return 0.0
    priced = Priced(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=written_tokens,
    )
    model, provider = name.model, str(name.provider)
    if name.provider == "huggingface":
        # The router charges what the provider behind it charges; without a suffix it chooses one by itself.
        model, _, behind = name.model.partition(":")
        provider = f"huggingface_{behind}"
    try:
        if name.provider == "endpoint":
            return float(calc_price(priced, model, provider_api_url=name.base_url).total_price)
        return float(calc_price(priced, model, provider_id=provider).total_price)
    except (LookupError, ValueError):
        return None


def estimate(
    name: ModelName, messages: Sequence[Message], tools: Sequence[ToolSpec], *, max_output_tokens: int
) -> Usage:
    """Give an upper estimate of a request: its size in bytes for the prompt, the limit for the answer."""
    sizes = [*map(_size, messages), *(_bytes(t.description) + _bytes(json.dumps(dict(t.schema))) for t in tools)]
    prompt = math.ceil(sum(sizes) / BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE * (len(sizes) + 1)
    used = Usage(input_tokens=prompt, output_tokens=max_output_tokens)
    return replace(used, usd=usd(name, used))


def tokens(text: str) -> int:
    """Count the tokens of `text`, rather too many than too few."""
    return math.ceil(_bytes(text) / BYTES_PER_TOKEN)


def _size(message: Message) -> int:
    """Count the bytes of a message; what the provider keeps of a turn (its thinking, signatures) is sent back too."""
    calls = sum(len(json.dumps(dict(c.arguments))) + _bytes(c.malformed or "") + _bytes(c.name) for c in message.calls)
    return max(_bytes(message.text) + calls, _bytes(message.provider or ""))


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
