"""What has happened so far, read from the conversation: the task, and each call with its observation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_intern.core.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call and what came back."""

    tool: str
    arguments: Mapping[str, object]
    ok: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """The task in the person's words, and the steps taken, oldest first."""

    task: str
    steps: tuple[Step, ...]

    def last(self, tool: str) -> Step | None:
        """Give the newest step with `tool`."""
        return next((step for step in reversed(self.steps) if step.tool == tool), None)

    def succeeded(self, tool: str) -> Step | None:
        """Give the newest step with `tool` that went well."""
        return next((step for step in reversed(self.steps) if step.tool == tool and step.ok), None)

    def failures(self, tool: str) -> int:
        """Count how often `tool` failed since it last went well."""
        outcomes = [step.ok for step in self.steps if step.tool == tool]
        return next((n for n, ok in enumerate(reversed(outcomes)) if ok), len(outcomes))


def read_trail(messages: Sequence[Message]) -> Trail:
    """Match the observations of a conversation with the calls they answer."""
    calls = {call.id: call for message in messages for call in message.calls}
    answered = [(calls[m.call_id], m) for m in messages if m.role == "tool" and m.call_id in calls]
    return Trail(
        task=next((m.text for m in messages if m.role == "user"), ""),
        steps=tuple(Step(tool=c.name, arguments=c.arguments, ok=m.ok, text=m.text) for c, m in answered),
    )
