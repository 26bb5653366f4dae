"""Fold a journal into the state the loop needs: pure, so resume is a re-read."""

from __future__ import annotations

from collections.abc import Sequence

from ml_intern.core.events import (
    ApprovalAnswered,
    ModelAsked,
    ModelReplied,
    Nudged,
    Record,
    RunFinished,
    RunReopened,
    RunStarted,
    ToolFinished,
    ToolStarted,
    WorkspaceRestored,
)
from ml_intern.core.messages import Message, ToolCall


def messages(records: Sequence[Record]) -> list[Message]:
    """Build the conversation the model sees next.

    What the harness says while calls are open comes after their observations: providers want those first.
    """
    turns: list[Message] = []
    open_calls: set[str] = set()
    said: list[Message] = []
    for record in records:
        match record.event:
            case RunStarted(task=task, system=system):
                turns += [Message(role="system", text=system), Message(role="user", text=task)]
            case ModelReplied(reply=reply):
                turns.append(Message(role="assistant", text=reply.text, calls=reply.calls, provider=reply.provider))
                open_calls = {call.id for call in reply.calls}
            case ToolFinished(call=call, observation=observation):
                turns.append(
                    Message(role="tool", text=observation.text, call_id=call.id, tool_name=call.name, ok=observation.ok)
                )
                open_calls.discard(call.id)
            case Nudged(text=text) | WorkspaceRestored(text=text):
                said.append(Message(role="user", text=text))
            case RunReopened(reason=reason) if turns[-1].role == "assistant" and not turns[-1].calls:
                turns.append(Message(role="user", text=reason))
            case _:
                pass
        if not open_calls:
            turns += said
            said.clear()
    return turns


def pending(records: Sequence[Record]) -> list[ToolCall]:
    """Give the calls the model asked for that have no observation yet, in order."""
    asked = [call for r in records if isinstance(r.event, ModelReplied) for call in r.event.reply.calls]
    answered = {r.event.call.id for r in records if isinstance(r.event, ToolFinished)}
    return [call for call in asked if call.id not in answered]


def begun(records: Sequence[Record], call_id: str) -> ToolCall | None:
    """Give the call as it began, with parsed arguments, if it had when the journal was last written."""
    events = (r.event for r in records)
    return next((e.call for e in events if isinstance(e, ToolStarted) and e.call.id == call_id), None)


def answer(records: Sequence[Record], call_id: str) -> ApprovalAnswered | None:
    """Give the person's decision on a call."""
    events = (r.event for r in records)
    return next((e for e in events if isinstance(e, ApprovalAnswered) and e.call_id == call_id), None)


def finished(records: Sequence[Record]) -> RunFinished | None:
    """Give the closing event, if the run has ended and was not reopened; files put back later change nothing."""
    last = next((r.event for r in reversed(records) if not isinstance(r.event, WorkspaceRestored)), None)
    return last if isinstance(last, RunFinished) else None


def next_key(records: Sequence[Record]) -> str:
    """Name the next request: its turn, and how often this turn was asked in vain."""
    turn = sum(isinstance(r.event, ModelReplied) for r in records)
    answered = {r.event.key for r in records if isinstance(r.event, ModelReplied)}
    asked = [r.event.key for r in records if isinstance(r.event, ModelAsked)]
    return f"{turn}.{sum(key not in answered and key.split('.')[0] == str(turn) for key in asked)}"


def final_word(records: Sequence[Record]) -> str | None:
    """Give the model's last text where it stopped calling tools and nobody answered yet."""
    events = [r.event for r in records if isinstance(r.event, ModelReplied | Nudged | RunReopened | WorkspaceRestored)]
    last = events[-1] if events else None
    return last.reply.text if isinstance(last, ModelReplied) and not last.reply.calls else None


def nudges_in_a_row(records: Sequence[Record], reason: str) -> int:
    """Count how often the harness said the same thing since the model last did something."""
    count = 0
    for record in reversed(records):
        match record.event:
            case Nudged(reason=given) if given == reason:
                count += 1
            case ToolFinished() | RunReopened():
                break
            case _:
                pass
    return count
