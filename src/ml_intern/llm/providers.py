"""Ask the services of language models; the one module that knows the provider library (pydantic-ai)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TypeAlias, assert_never, cast
from urllib.parse import urlsplit

import httpx2
from pydantic import ValidationError
from pydantic_ai import exceptions
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    PartDeltaEvent,
    PartStartEvent,
    SystemPromptPart,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, create_async_httpx2_client
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from ml_intern.config import Secret
from ml_intern.core.errors import ConfigError
from ml_intern.core.messages import Message, Reply, ToolCall, ToolSpec, Usage
from ml_intern.llm import conversation, failures, prices, streaming
from ml_intern.llm.failures import Failure
from ml_intern.llm.model_name import MAX_OUTPUT_TOKENS, ModelName

_log = logging.getLogger(__name__)

_TIMEOUT = httpx2.Timeout(600.0, connect=10.0)
"""Seconds between two bytes of an answer (a model may think for minutes), and to open a connection."""

_MADE_UP_ID = "pyd_ai_"
"""How the provider library begins a random id where the service sent none."""

_INVALID_JSON = "INVALID_JSON"
"""Key under which a provider is shown arguments of its own that were no JSON object."""

_NO_KEY = "no-key-is-set"
"""Sent where an endpoint needs no key, since the clients insist on one."""

_AS_GIVEN = ModelProfile(json_schema_transformer=None)
"""Schemas of tools go out as they are. (Gemini takes only a subset of JSON Schema, so there they are translated.)"""

_BROKE_OFF = "\n[the answer broke off; asking again]\n"


_Maker: TypeAlias = Callable[[ModelName, str, httpx2.AsyncClient], Model]


class _FailedError(Exception):
    """A request gave no answer; `failure` says what that means."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class ProviderModel:
    """A chat model behind a service.

    It holds no connection and no state between requests: the same conversation gives the same request, byte for byte.
    """

    def __init__(
        self,
        name: ModelName,
        key: Secret | None = None,
        *,
        max_output_tokens: int = MAX_OUTPUT_TOKENS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare to ask `name` with `key`; `sleep` waits the seconds between tries.

        Raises:
            ConfigError: the provider's library is not installed.
        """
        self._name = name
        self._key = key.reveal() if key else _NO_KEY
        self._make = _maker(name)
        self._max_output_tokens = max_output_tokens
        self._sleep = sleep

    @property
    def label(self) -> str:
        """How every surface names it."""
        return self._name.label

    def estimate(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Usage:
        """Give an upper estimate of what `complete` would cost, before it is asked."""
        return prices.estimate(self._name, messages, tools, max_output_tokens=self._max_output_tokens)

    def complete(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], *, on_text: Callable[[str], None]
    ) -> Reply:
        """Answer the conversation; what passes is asked again, at most `failures.MAX_TRIES` times.

        Raises:
            ModelError: no answer came, or none can come for this conversation.
            ConfigError: the key is refused or the model unknown.
        """
        messages = conversation.with_unique_ids(messages)
        heard: list[str] = []

        def hear(piece: str) -> None:
            heard.append(piece)
            on_text(piece)

        tries = 1
        while True:
            try:
                response = streaming.run(partial(self._request, messages, tools), on_text=hear)
                return self._reply(response, messages, tools)
            except _FailedError as error:
                wait = failures.pause(error.failure, tries)
                if wait is None:
                    raise failures.explain(error.failure, self._name, tries) from error
                _log.warning("%s: %s; asking again in %g s", self.label, error.failure.text, wait)
            if heard:
                # What was shown is no part of the answer that will come; whoever reads along is told.
                on_text(_BROKE_OFF)
                heard.clear()
            self._sleep(wait)
            tries += 1

    async def _request(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], say: Callable[[str], None]
    ) -> ModelResponse:
        parameters = ModelRequestParameters(function_tools=[_definition(t) for t in tools], allow_text_output=True)
        settings = ModelSettings(max_tokens=self._max_output_tokens, max_retries=0, cache=True)
        try:
            async with create_async_httpx2_client(timeout=_TIMEOUT) as http:
                model = self._make(self._name, self._key, http)
                history = _history(messages, model)
                async with model_request_stream(
                    model, history, model_settings=settings, model_request_parameters=parameters
                ) as stream:
                    async for event in stream:
                        match event:
                            case PartStartEvent(part=TextPart(content=text)) if text:
                                say(text)
                            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)) if text:
                                say(text)
                            case _:
                                pass
                    return stream.get()
        except (exceptions.ModelAPIError, exceptions.UnexpectedModelBehavior, httpx2.TransportError) as error:
            raise _FailedError(_failure(error, self._key)) from error

    def _reply(self, response: ModelResponse, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Reply:
        match response.finish_reason:
            case None:
                raise _FailedError(Failure(kind="cut", text="the stream ended before the answer did"))
            case "error":
                raise _FailedError(Failure(kind="broken", text="the service reports that the answer failed"))
            case "content_filter":
                raise _FailedError(Failure(kind="withheld", text=_refusal(response)))
            case "stop" | "length" | "tool_call":
                pass
        is_cut = response.finish_reason == "length"
        response = _with_own_ids(response, messages)
        note = f"[cut off: the answer reached its limit of {self._max_output_tokens} output tokens; send less at once]"
        calls = tuple(_call(part, note if is_cut else "") for part in response.parts if isinstance(part, ToolCallPart))
        text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
        if is_cut and not calls:
            text = f"{text}\n{note}".lstrip()
        return Reply(
            text=text,
            calls=calls,
            usage=self._usage(response, messages, tools),
            model=response.model_name or self._name.model,
            provider=ModelMessagesTypeAdapter.dump_json([response]).decode(),
        )

    def _usage(self, response: ModelResponse, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Usage:
        told = response.usage
        if not (told.input_tokens or told.output_tokens):
            # Some endpoints never tell; a budget is kept by our own count then.
            said = prices.tokens(ModelMessagesTypeAdapter.dump_json([response]).decode())
            return prices.estimate(self._name, messages, tools, max_output_tokens=said)
        usage = Usage(
            input_tokens=told.input_tokens, output_tokens=told.output_tokens, cached_tokens=told.cache_read_tokens
        )
        return replace(usage, usd=prices.usd(self._name, usage, written_tokens=told.cache_write_tokens))


def _maker(name: ModelName) -> _Maker:
    """Import what speaks the wire of `name`, and only that: these libraries take seconds."""
    try:
        match name.wire:
            case "chat":
                return _chat()
            case "responses":
                return _responses()
            case "anthropic":
                return _anthropic()
            case "google":
                return _google()
            case "plugin":
                raise ConfigError(f"{name.model} is a plugin and not served by a provider")
            case _:
                assert_never(name.wire)
    except ImportError as error:
        hint = f'pip install "open-ml-intern[{name.provider}]"'
        raise ConfigError(f"{name.label} needs a library that is not installed ({error}); run {hint}") from error


def _chat() -> _Maker:
    from pydantic_ai.models.openai import OpenAIChatModel  # noqa: PLC0415 - only where it is used
    from pydantic_ai.profiles.openai import OpenAIModelProfile  # noqa: PLC0415 - only where it is used
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415 - only where it is used

    # The older `max_tokens` is what every compatible server knows; an answer without an end is not one.
    profile = OpenAIModelProfile(
        openai_chat_streaming_requires_finish_reason=True,
        openai_chat_supports_max_completion_tokens=False,
        json_schema_transformer=None,
    )
    return lambda name, key, http: OpenAIChatModel(
        name.model, provider=OpenAIProvider(base_url=name.base_url, api_key=key, http_client=http), profile=profile
    )


def _responses() -> _Maker:
    from pydantic_ai.models.openai import OpenAIResponsesModel  # noqa: PLC0415 - only where it is used
    from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415 - only where it is used

    return lambda name, key, http: OpenAIResponsesModel(
        name.model, provider=OpenAIProvider(base_url=name.base_url, api_key=key, http_client=http), profile=_AS_GIVEN
    )


def _anthropic() -> _Maker:
    from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415 - only where it is used
    from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415 - only where it is used

    return lambda name, key, http: AnthropicModel(
        name.model, provider=AnthropicProvider(base_url=name.base_url, api_key=key, http_client=http), profile=_AS_GIVEN
    )


def _google() -> _Maker:
    from pydantic_ai.models.google import GoogleModel  # noqa: PLC0415 - only where it is used
    from pydantic_ai.providers.google import GoogleProvider  # noqa: PLC0415 - only where it is used

    return lambda name, key, http: GoogleModel(
        name.model, provider=GoogleProvider(base_url=name.base_url, api_key=key, http_client=http)
    )


def _definition(spec: ToolSpec) -> ToolDefinition:
    # Not strict: the schema goes out as the tool wrote it, and our own parser judges what comes back.
    return ToolDefinition(
        name=spec.name, description=spec.description, parameters_json_schema=dict(spec.schema), strict=False
    )


def _history(messages: Sequence[Message], model: Model) -> list[ModelMessage]:
    """Translate the conversation; what comes between two answers is one request."""
    tools = {call.id: call.name for message in messages for call in message.calls}
    history: list[ModelMessage] = []
    for is_answer, group in groupby(messages, key=lambda message: message.role == "assistant"):
        if is_answer:
            history.extend(_response(message, model) for message in group)
        else:
            history.append(ModelRequest(parts=[_request_part(message, tools) for message in group]))
    return history


def _request_part(message: Message, tools: dict[str, str]) -> ModelRequestPart:
    if message.role == "system":
        return SystemPromptPart(content=message.text)
    if message.role == "tool":
        call_id = message.call_id or ""
        tool = message.tool_name or tools.get(call_id, "unknown")
        return ToolReturnPart(tool_name=tool, content=message.text, tool_call_id=call_id)
    return UserPromptPart(content=message.text)


def _response(message: Message, model: Model) -> ModelResponse:
    """Give back what the provider itself wrote where it still can be read there, else our neutral copy."""
    kept = _kept(message.provider)
    if kept is None or not _is_from(kept, model):
        return ModelResponse(parts=list(_neutral_parts(message)))
    calls = [part for part in kept.parts if isinstance(part, ToolCallPart)]
    if [part.tool_name for part in calls] != [call.name for call in message.calls]:
        return ModelResponse(parts=list(_neutral_parts(message)))
    return _renamed(kept, [call.id for call in message.calls])


def _neutral_parts(message: Message) -> Iterator[ModelResponsePart]:
    if message.text:
        yield TextPart(content=message.text)
    for call in message.calls:
        arguments = dict(call.arguments) if call.malformed is None else {_INVALID_JSON: call.malformed}
        yield ToolCallPart(tool_name=call.name, args=arguments, tool_call_id=call.id)


def _kept(provider: str | None) -> ModelResponse | None:
    if provider is None:
        return None
    try:
        loaded = ModelMessagesTypeAdapter.validate_json(provider)
    except ValidationError:
        return None
    return loaded[0] if len(loaded) == 1 and isinstance(loaded[0], ModelResponse) else None


def _is_from(response: ModelResponse, model: Model) -> bool:
    """Whether the same service wrote it; its thinking means nothing, or an error, anywhere else."""
    here, there = urlsplit(model.base_url or "").hostname, urlsplit(response.provider_url or "").hostname
    return response.provider_name == model.system and here == there


def _with_own_ids(response: ModelResponse, messages: Sequence[Message]) -> ModelResponse:
    calls = [part.tool_call_id for part in response.parts if isinstance(part, ToolCallPart)]
    given = ["" if call_id.startswith(_MADE_UP_ID) else call_id for call_id in calls]
    ids = conversation.fresh_ids(given, conversation.used_ids(messages), conversation.turns(messages))
    return _renamed(response, ids)


def _renamed(response: ModelResponse, ids: Sequence[str]) -> ModelResponse:
    left = iter(ids)
    parts = [replace(p, tool_call_id=next(left)) if isinstance(p, ToolCallPart) else p for p in response.parts]
    return replace(response, parts=parts)


def _call(part: ToolCallPart, note: str) -> ToolCall:
    """Read one call; `note` tells the model why its arguments may have been cut."""
    if isinstance(part.args, dict):
        return ToolCall(id=part.tool_call_id, name=part.tool_name, arguments=part.args)
    raw = part.args or ""
    arguments = conversation.parse_arguments(raw)
    if arguments is None or (note and not raw):
        return ToolCall(id=part.tool_call_id, name=part.tool_name, malformed=f"{raw} {note}".strip())
    return ToolCall(id=part.tool_call_id, name=part.tool_name, arguments=arguments)


def _refusal(response: ModelResponse) -> str:
    said = (response.provider_details or {}).get("refusal")
    return str(said) if said else "its content filter stopped it"


def _failure(error: Exception, key: str) -> Failure:
    text = _words(error).replace(key, "***").rstrip(".")[:500]
    match error:
        case exceptions.ModelContextWindowExceededError():
            return Failure(kind="too_long", text=text, status=_status(error))
        case exceptions.ModelQuotaExceededError():
            return Failure(kind="no_credit", text=text, status=_status(error))
        case exceptions.ModelHTTPError(status_code=status, retry_after=wait):
            return Failure(kind=failures.kind_of(status, text), text=text, status=status, retry_after=wait)
        case exceptions.ModelConnectionError() | httpx2.TransportError():
            return Failure(kind="connection", text=text)
        case _:
            return Failure(kind="cut", text=text)


def _status(error: object) -> int | None:
    return error.status_code if isinstance(error, exceptions.ModelHTTPError) else None


def _words(error: Exception) -> str:
    """Find what the service said in the body of its answer, however deep it lies."""
    body = error.body if isinstance(error, exceptions.ModelAPIError) else None
    while isinstance(body, dict):
        fields = cast("dict[str, object]", body)
        body = fields.get("error") or fields.get("message") or fields.get("detail")
    return body if isinstance(body, str) and body else str(error) or type(error).__name__
