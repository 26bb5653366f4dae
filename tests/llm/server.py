"""A language-model service on 127.0.0.1 that gives scripted answers in the wire formats of the real ones."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self, cast

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One tool call; `arguments` goes out as it is, whether JSON or not. No id: none is sent."""

    id: str | None
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one request gets.

    Attributes:
        status: anything but 200 sends `text` as the message of an error.
        code: the machine-readable kind of the error.
        headers: of an error.
        finish: why the answer ended, in the words of chat completions; None ends the stream without saying.
        drop: break the connection after the text.
        fault: send this as an error inside the stream, after the text (chat completions).
        usage: prompt, completion and cached tokens; None tells nothing.
        signature: what signs the reasoning (Anthropic).
    """

    text: str = ""
    reasoning: str = ""
    signature: str = ""
    calls: tuple[Call, ...] = ()
    status: int = 200
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    finish: Literal["stop", "tool_calls", "length", "content_filter"] | None = "stop"
    drop: bool = False
    fault: str | None = None
    usage: tuple[int, int, int] | None = (100, 20, 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it came."""

    path: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> dict[str, object]:
        return cast("dict[str, object]", json.loads(self.body))

    @property
    def turn(self) -> int:
        """How many answers of the model the conversation holds already."""
        messages = cast("list[dict[str, object]]", self.json.get("messages", []))
        return sum(message.get("role") == "assistant" for message in messages)


class Service:
    """Serves `answers`, one a request, or with `by_turn` one a turn of the conversation; the last again and again."""

    def __init__(self, answers: Iterable[Answer], *, by_turn: bool = False) -> None:
        self._answers = tuple(answers)
        self._by_turn = by_turn
        self.asked: list[Asked] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_up.wait(10), "the service did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"{self.root}/v1"

    def _serve(self) -> None:
        app = web.Application(client_max_size=64 * 2**20)
        app.add_routes([web.post("/{path:.*}", self._answer)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

        async def start() -> None:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]

        self._loop.run_until_complete(start())
        self._is_up.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(
            path=request.path, body=await request.read(), headers={k.lower(): v for k, v in request.headers.items()}
        )
        place = asked.turn if self._by_turn else len(self.asked)
        answer = self._answers[min(place, len(self._answers) - 1)]
        self.asked.append(asked)
        if answer.status != 200:
            return _error(request.path, answer)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        with suppress(ConnectionError):
            async for line in _events(request.path, self.asked[-1], answer, len(self.asked)):
                await response.write(line)
            if answer.drop:
                assert request.transport is not None
                request.transport.abort()
            else:
                await response.write_eof()
        return response


def _error(path: str, answer: Answer) -> web.Response:
    error: dict[str, object] = {"message": answer.text, "type": answer.code, "code": answer.code}
    body: dict[str, object] = {"error": error}
    if path.endswith("/messages"):
        body = {"type": "error", "error": {"type": answer.code, "message": answer.text}}
    return web.json_response(body, status=answer.status, headers=dict(answer.headers))


async def _events(path: str, asked: Asked, answer: Answer, number: int) -> AsyncIterator[bytes]:
    model = str(asked.json.get("model"))
    if path.endswith("/chat/completions"):
        events = _chat(answer, number, model)
    elif path.endswith("/responses"):
        events = _responses(answer, number, model)
    elif path.endswith("/messages"):
        events = _anthropic(answer, number, model)
    else:
        events = _google(answer)
    for event in events:
        kind = event.get("type")
        head = f"event: {kind}\n" if isinstance(kind, str) else ""
        yield f"{head}data: {json.dumps(event)}\n\n".encode()
    if path.endswith("/chat/completions") and not answer.drop:
        yield b"data: [DONE]\n\n"


def _pieces(text: str, size: int = 7) -> Iterable[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


def _chat(answer: Answer, number: int, model: str) -> Iterable[dict[str, object]]:
    base = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1, "model": model}

    def chunk(delta: dict[str, object], finish: str | None = None) -> dict[str, object]:
        return {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    yield from (chunk({"reasoning_content": piece}) for piece in _pieces(answer.reasoning))
    yield from (chunk({"content": piece}) for piece in _pieces(answer.text))
    if answer.fault:
        yield {"error": {"message": answer.fault, "type": "server_error", "code": None}}
    if answer.drop or answer.fault:
        return
    for index, call in enumerate(answer.calls):
        named = {"index": index, "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield chunk({"tool_calls": [{**named, "id": call.id} if call.id is not None else named]})
        for piece in _pieces(call.arguments):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    if answer.finish:
        yield chunk({}, answer.finish)
    if answer.usage:
        prompt, completion, cached = answer.usage
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
        yield {**base, "choices": [], "usage": usage}


def _responses(answer: Answer, number: int, model: str) -> Iterable[dict[str, object]]:
    base: dict[str, object] = {
        "id": f"resp_{number}", "object": "response", "created_at": 1, "model": model, "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True,
        "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
    }  # fmt: skip
    items = _response_items(answer, number)
    events: list[dict[str, object]] = [
        {"type": "response.created", "response": {**base, "status": "in_progress", "output": [], "usage": None}}
    ]
    for index, item in enumerate(items):
        events.append({"type": "response.output_item.added", "output_index": index, "item": {**item, **_EMPTY}})
        events.extend(_response_deltas(answer, index, item))
        if answer.drop and item["type"] == "message":
            break
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    if answer.finish is not None and not answer.drop:
        is_cut = answer.finish == "length"
        prompt, completion, cached = answer.usage or (0, 0, 0)
        usage = {
            "input_tokens": prompt, "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
            "output_tokens": completion, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + completion,
        }  # fmt: skip
        details = {"reason": "max_output_tokens"} if is_cut else None
        status = "incomplete" if is_cut else "completed"
        end = {"status": status, "output": items, "usage": usage, "incomplete_details": details}
        events.append({"type": f"response.{status}", "response": {**base, **end}})
    return ({**event, "sequence_number": place} for place, event in enumerate(events))


_EMPTY: Mapping[str, object] = {"content": [], "arguments": "", "summary": []}


def _response_items(answer: Answer, number: int) -> list[dict[str, object]]:
    items: list[dict[str, object]] = []
    if answer.reasoning:
        summary = [{"type": "summary_text", "text": answer.reasoning}]
        signed = {"summary": summary, "encrypted_content": answer.signature}
        items.append({"type": "reasoning", "id": f"rs_{number}", **signed})
    if answer.text:
        content: list[dict[str, object]] = [{"type": "output_text", "text": answer.text, "annotations": []}]
        message: dict[str, object] = {"role": "assistant", "status": "completed", "content": content}
        items.append({"type": "message", "id": f"msg_{number}", **message})
    for index, call in enumerate(answer.calls):
        named = {"call_id": call.id, "name": call.name, "arguments": call.arguments, "status": "completed"}
        items.append({"type": "function_call", "id": f"fc_{number}_{index}", **named})
    return items


def _response_deltas(answer: Answer, index: int, item: Mapping[str, object]) -> Iterable[dict[str, object]]:
    place = {"output_index": index, "item_id": item["id"]}
    if item["type"] == "message":
        yield from (
            {"type": "response.output_text.delta", **place, "content_index": 0, "delta": piece, "logprobs": []}
            for piece in _pieces(answer.text)
        )
    elif item["type"] == "function_call":
        arguments = str(item["arguments"])
        for piece in _pieces(arguments):
            yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
        yield {"type": "response.function_call_arguments.done", **place, "arguments": arguments, "name": item["name"]}


def _anthropic(answer: Answer, number: int, model: str) -> Iterable[dict[str, object]]:
    prompt, completion, cached = answer.usage or (0, 0, 0)
    usage: dict[str, object] = {
        "input_tokens": prompt - cached,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": 0,
    }
    message: dict[str, object] = {
        "id": f"msg_{number}", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1},
    }  # fmt: skip
    index = itertools.count()

    def block(start: dict[str, object], deltas: Iterable[dict[str, object]]) -> Iterable[dict[str, object]]:
        place = next(index)
        yield {"type": "content_block_start", "index": place, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": place, "delta": delta}
        yield {"type": "content_block_stop", "index": place}

    yield {"type": "message_start", "message": message}
    if answer.reasoning:
        thinking: list[dict[str, object]] = [{"type": "thinking_delta", "thinking": answer.reasoning}]
        signed: list[dict[str, object]] = [{"type": "signature_delta", "signature": answer.signature}]
        yield from block({"type": "thinking", "thinking": "", "signature": ""}, [*thinking, *signed])
    if answer.text:
        yield from block(
            {"type": "text", "text": ""}, [{"type": "text_delta", "text": p} for p in _pieces(answer.text)]
        )
    if answer.drop:
        return
    for call in answer.calls:
        parts: list[dict[str, object]] = [
            {"type": "input_json_delta", "partial_json": piece} for piece in _pieces(call.arguments)
        ]
        yield from block({"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, parts)
    if answer.finish is None:
        return
    reason = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}
    delta = {"stop_reason": reason[answer.finish], "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {**usage, "output_tokens": completion}}
    yield {"type": "message_stop"}


def _google(answer: Answer) -> Iterable[dict[str, object]]:
    prompt, completion, cached = answer.usage or (0, 0, 0)
    parts: list[dict[str, object]] = [{"text": piece} for piece in _pieces(answer.text)]
    for call in answer.calls:
        parts.append({"functionCall": {"name": call.name, "args": json.loads(call.arguments)}})  # noqa: PERF401 - reads as a list of parts
    for part in parts:
        yield {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}]}
    usage = {
        "promptTokenCount": prompt, "candidatesTokenCount": completion, "cachedContentTokenCount": cached,
        "totalTokenCount": prompt + completion,
    }  # fmt: skip
    if answer.finish is not None:
        reason = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
        end: dict[str, object] = {"content": {"role": "model"}, "finishReason": reason[answer.finish], "index": 0}
        yield {"candidates": [end], "usageMetadata": usage}
