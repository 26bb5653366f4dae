"""What the tests of chat models share: a tool, a conversation, and a model that asks a given service."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from llm.server import Service
from ml_intern.config import Secret
from ml_intern.core.messages import Message, Reply, ToolSpec
from ml_intern.llm.model_name import ModelName, Wire
from ml_intern.llm.providers import ProviderModel

PROBE = ToolSpec(
    name="probe",
    description="Look at one step.",
    schema={
        "type": "object",
        "properties": {
            "step": {"type": "integer"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
        "required": ["step"],
        "additionalProperties": False,
    },
)
START = (Message(role="system", text="You are careful."), Message(role="user", text="train a model"))
NAMES: dict[Wire, str] = {
    "chat": "any-model",
    "responses": "gpt-5",
    "anthropic": "claude-of-tests",
    "google": "gemini-2.5-flash",
}
KEY = "sk-test-0123456789"


class Waits:
    """Records the seconds it was told to sleep, and sleeps none."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def model_at(
    service: Service, wire: Wire = "chat", *, sleep: Callable[[float], None] | None = None, limit: int = 8192
) -> ProviderModel:
    address = service.address if wire in {"chat", "responses"} else service.root
    name = ModelName(
        provider="endpoint", model=NAMES[wire], wire=wire, base_url=address, key_variable="ML_INTERN_ENDPOINT_KEY"
    )
    return ProviderModel(name, Secret(KEY), max_output_tokens=limit, sleep=sleep or Waits())


def nobody(text: str) -> None:
    """Hear what is said, and do nothing."""
    del text


def answered(reply: Reply, results: Iterable[str]) -> tuple[Message, ...]:
    """The turn of `reply`, and a result for each of its calls."""
    turn = Message(role="assistant", text=reply.text, calls=reply.calls, provider=reply.provider)
    tools = [
        Message(role="tool", text=text, call_id=call.id, tool_name=call.name)
        for call, text in zip(reply.calls, results, strict=True)
    ]
    return (turn, *tools)
