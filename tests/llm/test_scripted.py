"""The scripted model."""

from __future__ import annotations

import pytest

from ml_intern.core.errors import ModelError
from ml_intern.core.messages import Message, Reply, ToolCall, Usage
from ml_intern.llm.scripted import ScriptedModel

REPLIES = (
    Reply(text="one", calls=(ToolCall(id="a", name="probe"),), usage=Usage(input_tokens=3, output_tokens=2)),
    Reply(text="two"),
)


def test_the_reply_that_is_due_follows_from_the_conversation_so_that_a_crash_loses_none() -> None:
    asked = [Message(role="user", text="go")]
    later = [*asked, Message(role="assistant", text="one"), Message(role="tool", text="ok", call_id="a")]
    heard: list[str] = []

    first = ScriptedModel(REPLIES).complete(asked, (), on_text=heard.append)
    again = ScriptedModel(REPLIES).complete(asked, (), on_text=heard.append)
    second = ScriptedModel(iter(REPLIES)).complete(later, (), on_text=heard.append)

    assert [first, again, second] == [REPLIES[0], REPLIES[0], REPLIES[1]]
    assert heard == ["one", "one", "two"]


def test_a_script_that_is_used_up_says_so() -> None:
    messages = [Message(role="user", text="go"), *[Message(role="assistant", text="x")] * 2]
    model = ScriptedModel(REPLIES)

    with pytest.raises(ModelError, match="the script has 2 replies and was asked for reply 3"):
        model.complete(messages, (), on_text=print)
    assert model.estimate(messages, ()) == Usage()
    assert model.estimate(messages[:1], ()) == REPLIES[0].usage
    assert model.label == "scripted"
