"""Rules that hold in every conversation, whoever serves the model."""

from __future__ import annotations

import pytest

from ml_intern.core.messages import Message, ToolCall
from ml_intern.llm import conversation


def turn(*ids: str) -> Message:
    return Message(role="assistant", text="", calls=tuple(ToolCall(id=i, name="probe") for i in ids))


def result(call_id: str | None, text: str) -> Message:
    return Message(role="tool", text=text, call_id=call_id, tool_name="probe")


def test_missing_and_repeated_ids_are_made_from_their_place_and_their_results_follow() -> None:
    messages = [
        Message(role="user", text="go"),
        turn("a", "", "a"), result("a", "1"), result(None, "2"), result("a", "3"),
        turn("a", ""), result("a", "4"), result("", "5"),
    ]  # fmt: skip

    clean = conversation.with_unique_ids(messages)

    assert clean == [
        Message(role="user", text="go"),
        turn("a", "call_0_1", "call_0_2"), result("a", "1"), result("call_0_1", "2"), result("call_0_2", "3"),
        turn("call_1_0", "call_1_1"), result("call_1_0", "4"), result("call_1_1", "5"),
    ]  # fmt: skip
    assert conversation.with_unique_ids(clean) == clean


def test_a_made_up_id_never_meets_one_that_is_there() -> None:
    assert conversation.fresh_ids(["", "call_3_0", ""], {"call_3_2"}, turn=3) == ["call_3_0", "call_3_1", "call_3_2_"]


def test_a_result_of_no_known_call_is_left_as_it_is() -> None:
    messages = [Message(role="user", text="go"), result("stray", "1")]

    assert conversation.with_unique_ids(messages) == messages


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        ('{"a": {"b": [1, null]}}', {"a": {"b": [1, None]}}),
        ("", {}),
        ("  ", {}),
        ("{", None),
        ("[1]", None),
        ('"text"', None),
        ("null", None),
        ('{"loss": NaN}', None),
        ("[" * 100_000, None),
    ],
)
def test_arguments_are_one_json_object_or_nothing(raw: str, arguments: object) -> None:
    assert conversation.parse_arguments(raw) == arguments
