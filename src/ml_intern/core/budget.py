"""Limits of a run, judged from what the journal says was spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ml_intern.core.events import ModelAsked, ModelReplied, Outcome, Record, RunReopened
from ml_intern.core.messages import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a run used so far; `seconds` counts from its start or last reopening."""

    iterations: int
    usage: Usage
    seconds: float


def spent(records: Sequence[Record]) -> Spent:
    """Add up requests and their cost; a request without a reply stays charged at its estimate."""
    reopened = max((n for n, r in enumerate(records) if isinstance(r.event, RunReopened)), default=0)
    replies = {r.event.key: r.event.reply.usage for r in records if isinstance(r.event, ModelReplied)}
    asked = {r.event.key: r.event.reserved for r in records if isinstance(r.event, ModelAsked)}
    usage = sum((replies.get(key, reserved) for key, reserved in asked.items()), Usage())
    iterations = sum(isinstance(r.event, ModelReplied) for r in records[reopened:])
    seconds = records[-1].at - records[reopened].at if records else 0.0
    return Spent(iterations=iterations, usage=usage, seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Upper limits; `None` means no limit. `iterations` are model requests."""

    iterations: int = 30
    usd: float | None = None
    tokens: int | None = None
    seconds: float | None = None

    def exceeded(self, records: Sequence[Record], reserve: Usage) -> tuple[Outcome, str] | None:
        """Name the first limit that the next request, costing at most `reserve`, would pass; or `None`."""
        used = spent(records)
        after = used.usage + reserve
        if used.iterations >= self.iterations:
            return "limit", f"all {self.iterations} iterations are used up"
        if self.seconds is not None and used.seconds >= self.seconds:
            return "limit", f"{self.seconds:g} s are used up"
        if self.tokens is not None and after.input_tokens + after.output_tokens > self.tokens:
            return "budget", f"the next request could pass the limit of {self.tokens} tokens"
        if self.usd is not None:
            if after.usd is None:
                return "budget", "the price of this model is unknown, so a limit in dollars cannot be kept"
            if after.usd > self.usd:
                return "budget", f"the next request could pass the limit of ${self.usd:.2f}"
        return None
