"""What requests cost."""

from __future__ import annotations

import pytest

from llm.conversations import PROBE, START
from ml_intern.core.messages import Message, Usage
from ml_intern.llm import names, prices

KEYS: dict[str, str] = dict.fromkeys(("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "HF_TOKEN", "ML_INTERN_ENDPOINT_KEY"), "x")
MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)


@pytest.mark.parametrize(
    ("name", "usd"),
    [
        ("gpt-4o", 2.5 + 10.0),
        ("claude-sonnet-4-0", 3.0 + 15.0),
        ("meta-llama/Llama-3.3-70B-Instruct:groq", 0.59 + 0.79),
        ("meta-llama/Llama-3.3-70B-Instruct", None),
        ("gpt-of-tomorrow", None),
        ("http://127.0.0.1:8000/v1#gpt-4o", 0.0),
        ("http://models.example.org/v1#gpt-4o", None),
    ],
)
def test_a_price_is_known_nothing_or_unknown_but_never_guessed(name: str, usd: float | None) -> None:
    priced = prices.usd(names.parse(name, KEYS), MILLION)

    assert priced == (usd if usd is None else pytest.approx(usd))


def test_cached_tokens_cost_less_and_tokens_written_to_the_cache_more() -> None:
    name = names.parse("claude-sonnet-4-5", KEYS)
    usage = Usage(input_tokens=100_000, output_tokens=0)
    cached = Usage(input_tokens=100_000, output_tokens=0, cached_tokens=100_000)

    assert prices.usd(name, usage) == pytest.approx(0.3)
    assert prices.usd(name, cached) == pytest.approx(0.03)
    assert prices.usd(name, usage, written_tokens=100_000) == pytest.approx(0.375)


def test_an_estimate_is_above_a_token_for_four_characters_and_reserves_the_whole_answer() -> None:
    name = names.parse("gpt-4o", KEYS)
    long = [*START, Message(role="user", text="x" * 40_000)]

    usage = prices.estimate(name, long, [PROBE], max_output_tokens=1000)

    assert 40_000 / 4 < usage.input_tokens < 40_000 / 3
    assert usage.output_tokens == 1000
    assert usage.usd == pytest.approx(usage.input_tokens * 2.5e-6 + 0.01)


def test_what_the_provider_keeps_of_a_turn_counts_since_it_is_sent_again() -> None:
    name = names.parse("gpt-4o", KEYS)
    plain = Message(role="assistant", text="short")
    thought = Message(role="assistant", text="short", provider="t" * 32_000)

    difference = (
        prices.estimate(name, [thought], (), max_output_tokens=0).input_tokens
        - prices.estimate(name, [plain], (), max_output_tokens=0).input_tokens
    )

    assert difference == 10_000 - prices.tokens("short")
