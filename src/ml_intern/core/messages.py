"""What passes between the harness and the language model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ml_intern.core.facts import Fact

Effect: TypeAlias = Literal["read", "execute", "spend", "publish"]
Recovery: TypeAlias = Literal["repeat", "attach", "verify", "ask"]
Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What model calls cost: counts in tokens, price in US dollars. `usd` is None where no price is known."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    usd: float | None = 0.0

    def __add__(self, other: Usage) -> Usage:
        unknown = self.usd is None or other.usd is None
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            usd=None if unknown else (self.usd or 0.0) + (other.usd or 0.0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A request by the model to run one tool.

    `malformed` holds the arguments as they came where they were no JSON object; `arguments` is then empty.
    """

    id: str
    name: str
    arguments: Mapping[str, object] = field(default_factory=dict[str, object])
    malformed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of the conversation.

    `ok` is false for the observation of a call that failed or was refused. `provider` is the JSON of the provider's
    own message, kept so that thinking signatures survive a resume.
    """

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    call_id: str | None = None
    tool_name: str | None = None
    ok: bool = True
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The model's answer; no calls means it considers the task done."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    model: str = ""
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a tool call gave back; `text` is what the model reads, `facts` what code reads."""

    text: str
    ok: bool = True
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool as the model and the gates see it.

    `effect` is the strongest thing it can do and decides approval; `recovery` says what a call means that was
    begun and has no result (design §2); `requires` names the gates that must pass first. `asks` makes every call
    wait for a person's yes, unless the person allowed the tool by name.
    """

    name: str
    description: str
    schema: Mapping[str, object]
    effect: Effect = "read"
    recovery: Recovery = "ask"
    requires: tuple[str, ...] = ()
    asks: bool = False
