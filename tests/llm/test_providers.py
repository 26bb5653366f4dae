"""Language models behind services, asked through the real clients at a service on this machine."""

from __future__ import annotations

import asyncio
import json
from typing import cast

import pytest

from llm.conversations import NAMES, PROBE, START, answered, model_at, nobody
from llm.server import Answer, Call, Service
from ml_intern.core.messages import Message, Reply, ToolCall, ToolSpec, Usage
from ml_intern.llm.model_name import Wire
from ml_intern.llm.providers import ProviderModel

WIRES: tuple[Wire, ...] = ("chat", "responses", "anthropic", "google")
TWO = (Call(id="a1", name="probe", arguments='{"step": 1}'), Call(id="a2", name="probe", arguments='{"step": 2}'))
ASKS = Answer(text="Let me look.", calls=TWO, finish="tool_calls")
DONE = Answer(text="Done.")


def tree(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return cast("dict[str, object]", value)


def row(value: object) -> list[dict[str, object]]:
    assert isinstance(value, list)
    return [tree(item) for item in cast("list[object]", value)]


@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_brings_text_calls_and_usage(wire: Wire) -> None:
    heard: list[str] = []

    with Service([ASKS]) as service:
        reply = model_at(service, wire).complete(START, [PROBE], on_text=heard.append)

    ids = ("call_0_0", "call_0_1") if wire == "google" else ("a1", "a2")
    assert reply == Reply(
        text="Let me look.",
        calls=tuple(ToolCall(id=i, name="probe", arguments={"step": n}) for i, n in zip(ids, (1, 2), strict=True)),
        usage=Usage(input_tokens=100, output_tokens=20, cached_tokens=40, usd=0.0),
        model=NAMES[wire],
        provider=reply.provider,
    )
    assert heard == ["Let me ", "look."]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("keeps", [True, False], ids=["as the provider wrote it", "as our neutral copy"])
def test_a_resumed_run_sends_the_same_request_byte_for_byte(wire: Wire, *, keeps: bool) -> None:
    with Service([ASKS, DONE]) as service:
        reply = model_at(service, wire).complete(START, [PROBE], on_text=nobody)
        turn, *results = answered(reply, ["loss 0.1", "loss 0.2"])
        provider = turn.provider if keeps else None
        history = [*START, Message(role="assistant", text=turn.text, calls=turn.calls, provider=provider), *results]
        for _ in range(2):
            model_at(service, wire).complete(history, [PROBE], on_text=nobody)

    first, second, third = service.asked
    assert second.body == third.body
    assert first.path == second.path
    assert b"loss 0.2" in second.body


def test_chat_completions_get_the_conversation_and_the_tools_as_they_are() -> None:
    with Service([ASKS, DONE]) as service:
        model = model_at(service, limit=500)
        reply = model.complete(START, [PROBE], on_text=nobody)
        model.complete([*START, *answered(reply, ["1", "2"])], [PROBE], on_text=nobody)

    calls = [
        {"id": f"a{n}", "type": "function", "function": {"name": "probe", "arguments": f'{{"step":{n}}}'}}
        for n in (1, 2)
    ]
    function = {"name": "probe", "description": "Look at one step.", "parameters": PROBE.schema}
    assert service.asked[1].json == {
        "model": "any-model",
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 500,
        "tool_choice": "auto",
        "tools": [{"type": "function", "function": function}],
        "messages": [
            {"role": "system", "content": "You are careful."},
            {"role": "user", "content": "train a model"},
            {"role": "assistant", "content": "Let me look.", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "a1", "content": "1"},
            {"role": "tool", "tool_call_id": "a2", "content": "2"},
        ],
    }
    assert service.asked[1].headers["authorization"] == "Bearer sk-test-0123456789"


@pytest.mark.parametrize("wire", ["chat", "responses", "anthropic"])
def test_a_schema_goes_out_as_the_tool_wrote_it(wire: Wire) -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"where": {"type": "string", "title": "Where", "format": "uri"}},
        "required": ["where"],
        "additionalProperties": False,
    }
    tool = ToolSpec(name="look", description="Look.", schema=schema)

    with Service([DONE]) as service:
        model_at(service, wire).complete(START, [tool], on_text=nobody)

    sent = row(service.asked[0].json["tools"])[0]
    function = tree(sent["function"]) if wire == "chat" else sent
    assert function["input_schema" if wire == "anthropic" else "parameters"] == schema
    assert function.get("strict", wire == "responses") is False  # Responses takes a tool as strict unless told


def test_anthropic_gets_its_signed_thinking_back_and_is_told_what_to_cache() -> None:
    thinks = Answer(text="Hm.", reasoning="First I look.", signature="SIG-1", calls=TWO[:1], finish="tool_calls")
    with Service([thinks, DONE]) as service:
        reply = model_at(service, "anthropic").complete(START, [PROBE], on_text=nobody)
        history = [*START, *answered(reply, ["seen"])]
        model_at(service, "anthropic").complete(history, [PROBE], on_text=nobody)

    sent = service.asked[1].json
    assert row(row(sent["messages"])[1]["content"]) == [
        {"type": "thinking", "thinking": "First I look.", "signature": "SIG-1"},
        {"type": "text", "text": "Hm."},
        {"type": "tool_use", "id": "a1", "name": "probe", "input": {"step": 1}},
    ]
    assert "cache_control" in row(sent["system"])[0]
    assert "cache_control" in row(sent["tools"])[0]
    assert "First I look." not in reply.text


def test_openai_gets_its_sealed_reasoning_back() -> None:
    thinks = Answer(text="Hm.", reasoning="First.", signature="SEALED", calls=TWO[:1], finish="tool_calls")
    with Service([thinks, DONE]) as service:
        reply = model_at(service, "responses").complete(START, [PROBE], on_text=nobody)
        model_at(service, "responses").complete([*START, *answered(reply, ["seen"])], [PROBE], on_text=nobody)

    first, second = service.asked
    assert first.json["include"] == ["reasoning.encrypted_content"]
    assert [i.get("encrypted_content") for i in row(second.json["input"]) if i.get("type") == "reasoning"] == ["SEALED"]


def test_reasoning_goes_back_to_the_endpoint_it_came_from_in_its_own_field() -> None:
    with Service([Answer(text="Hm.", reasoning="First.", calls=TWO[:1], finish="tool_calls"), DONE]) as service:
        reply = model_at(service).complete(START, [PROBE], on_text=nobody)
        model_at(service).complete([*START, *answered(reply, ["seen"])], [PROBE], on_text=nobody)

    assert row(service.asked[1].json["messages"])[2]["reasoning_content"] == "First."


@pytest.mark.parametrize("provider", ["not json", "[]", '[{"kind": "request", "parts": []}]', None])
def test_what_a_provider_kept_and_nobody_can_read_gives_way_to_the_neutral_copy(provider: str | None) -> None:
    turn = Message(
        role="assistant",
        text="Hm.",
        calls=(ToolCall(id="x", name="probe", arguments={"step": 3}), ToolCall(id="y", name="probe", malformed="{3")),
        provider=provider,
    )
    results = [Message(role="tool", text=i, call_id=i, tool_name="probe") for i in ("x", "y")]

    with Service([DONE]) as service:
        model_at(service).complete([*START, turn, *results], [PROBE], on_text=nobody)

    sent = row(service.asked[0].json["messages"])[2]
    assert [json.loads(str(tree(call["function"])["arguments"])) for call in row(sent["tool_calls"])] == [
        {"step": 3},
        {"INVALID_JSON": "{3"},
    ]


@pytest.mark.parametrize("kept", [0, 1])
def test_a_turn_whose_calls_were_changed_goes_out_changed(kept: int) -> None:
    with Service([ASKS, DONE]) as service:
        reply = model_at(service).complete(START, [PROBE], on_text=nobody)
        changed = Reply(text="Let me look.", calls=reply.calls[:kept], provider=reply.provider)
        model_at(service).complete([*START, *answered(changed, ["seen"] * kept)], [PROBE], on_text=nobody)

    sent = row(service.asked[1].json["messages"])[2]
    assert [call["id"] for call in row(sent.get("tool_calls", []))] == ["a1"][:kept]


def test_thinking_of_one_service_never_reaches_another() -> None:
    thinks = Answer(text="Hm.", reasoning="Between us.", signature="SIG-1", calls=TWO[:1], finish="tool_calls")
    with Service([thinks]) as claude, Service([DONE]) as other:
        reply = model_at(claude, "anthropic").complete(START, [PROBE], on_text=nobody)
        model_at(other).complete([*START, *answered(reply, ["seen"])], [PROBE], on_text=nobody)

    assert b"Between us." not in other.asked[0].body
    assert row(other.asked[0].json["messages"])[2]["content"] == "Hm."


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Call(id="m", name="probe", arguments='{"step": '), ToolCall(id="m", name="probe", malformed='{"step":')),
        (Call(id="m", name="probe", arguments="[1]"), ToolCall(id="m", name="probe", malformed="[1]")),
        (Call(id="m", name="probe", arguments=""), ToolCall(id="m", name="probe")),
        (Call(id=None, name="probe", arguments="{}"), ToolCall(id="call_0_0", name="probe")),
    ],
)
def test_a_call_is_taken_as_it_came(call: Call, expected: ToolCall) -> None:
    with Service([Answer(calls=(call,), finish="tool_calls"), DONE]) as service:
        reply = model_at(service).complete(START, [PROBE], on_text=nobody)
        model_at(service).complete([*START, *answered(reply, ["no"])], [PROBE], on_text=nobody)

    assert reply.calls == (expected,)
    result = row(service.asked[1].json["messages"])[-1]
    assert result == {"role": "tool", "tool_call_id": expected.id, "content": "no"}


def test_an_id_that_was_there_before_becomes_a_new_one_on_both_sides() -> None:
    with Service([Answer(calls=TWO, finish="tool_calls"), Answer(calls=TWO, finish="tool_calls"), DONE]) as service:
        model = model_at(service)
        history = [*START]
        for _ in range(2):
            reply = model.complete(history, [PROBE], on_text=nobody)
            history += answered(reply, ["1", "2"])
        model.complete(history, [PROBE], on_text=nobody)

    sent = row(service.asked[2].json["messages"])
    assert [m["tool_call_id"] for m in sent if m["role"] == "tool"] == ["a1", "a2", "call_1_0", "call_1_1"]
    assert [c["id"] for m in sent for c in row(m.get("tool_calls", []))] == ["a1", "a2", "call_1_0", "call_1_1"]


def test_a_conversation_that_came_from_elsewhere_gets_unique_ids_too() -> None:
    turn = Message(role="assistant", text="", calls=(ToolCall(id="x", name="probe"), ToolCall(id="x", name="probe")))
    results = [Message(role="tool", text=text, call_id="x", tool_name="probe") for text in "12"]

    with Service([DONE]) as service:
        model_at(service).complete([*START, turn, *results], [PROBE], on_text=nobody)

    sent = row(service.asked[0].json["messages"])
    assert [call["id"] for call in row(sent[2]["tool_calls"])] == ["x", "call_0_1"]
    assert [(m["tool_call_id"], m["content"]) for m in sent[3:]] == [("x", "1"), ("call_0_1", "2")]


@pytest.mark.parametrize("arguments", ['{"step', ""])
@pytest.mark.parametrize("wire", ["chat", "responses", "anthropic"])
def test_a_call_cut_by_the_limit_is_malformed_and_says_why(wire: Wire, arguments: str) -> None:
    cut = Answer(calls=(Call(id="m", name="probe", arguments=arguments),), finish="length")
    with Service([cut]) as service:
        reply = model_at(service, wire, limit=64).complete(START, [PROBE], on_text=nobody)

    note = "[cut off: the answer reached its limit of 64 output tokens; send less at once]"
    assert reply.calls == (ToolCall(id="m", name="probe", malformed=f"{arguments} {note}".strip()),)


def test_a_text_cut_by_the_limit_does_not_pass_for_a_whole_one() -> None:
    with Service([Answer(text="The loss is", finish="length")]) as service:
        reply = model_at(service, limit=64).complete(START, [PROBE], on_text=nobody)

    assert reply.text.startswith("The loss is\n[cut off: the answer reached its limit of 64")


def test_an_endpoint_that_tells_no_usage_is_charged_by_our_own_count() -> None:
    with Service([Answer(text="y" * 3200, usage=None)]) as service:
        model = model_at(service)
        reply = model.complete(START, [PROBE], on_text=nobody)

    assert reply.usage.input_tokens == model.estimate(START, [PROBE]).input_tokens
    assert reply.usage.output_tokens >= 1000


def test_a_caller_whose_event_loop_runs_may_ask_too() -> None:
    async def notebook(model: ProviderModel) -> Reply:
        return model.complete(START, [PROBE], on_text=nobody)

    with Service([DONE]) as service:
        reply = asyncio.run(notebook(model_at(service)))

    assert reply.text == "Done."


def test_an_interrupt_while_text_comes_ends_the_request_and_reaches_the_caller() -> None:
    def interrupt(text: str) -> None:
        raise KeyboardInterrupt(text)

    with Service([Answer(text="x" * 500_000)]) as service, pytest.raises(KeyboardInterrupt, match="xxxxxxx"):
        model_at(service).complete(START, [PROBE], on_text=interrupt)

    assert len(service.asked) == 1
