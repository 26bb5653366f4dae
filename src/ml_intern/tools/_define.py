"""Turn a typed, documented method or function into a tool."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast, overload

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from ml_intern.core.errors import ConfigError, ToolArgumentError, ToolError
from ml_intern.core.messages import Effect, Observation, Recovery, ToolSpec
from ml_intern.core.protocols import ToolContext

_Function = TypeVar("_Function", bound=Callable[..., Observation | str])
_MARK = "__ml_intern_tool__"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOptions:
    """What `@tool` was given."""

    effect: Effect = "read"
    recovery: Recovery = "ask"
    requires: tuple[str, ...] = ()
    verify: str | None = None
    asks: bool = False


@overload
def tool(function: _Function, /) -> _Function: ...
@overload
def tool(
    *,
    effect: Effect = "read",
    recovery: Recovery = "ask",
    requires: tuple[str, ...] = (),
    verify: str | None = None,
    asks: bool = False,
) -> Callable[[_Function], _Function]: ...
def tool(
    function: _Function | None = None,
    /,
    *,
    effect: Effect = "read",
    recovery: Recovery = "ask",
    requires: tuple[str, ...] = (),
    verify: str | None = None,
    asks: bool = False,
) -> _Function | Callable[[_Function], _Function]:
    """Mark a method or a function as callable by the model.

    Its docstring is what the model reads and its signature the schema. A parameter annotated `ToolContext` is
    filled in by the harness and invisible to the model. It returns an `Observation`, or plain text.

    Args:
        function: what is decorated when `@tool` stands without parentheses.
        effect: the strongest thing it can do; approval is decided by it.
        recovery: what a call means that was begun and has no result (design §2).
        requires: names of the gates that must pass first.
        verify: name of the method that asks the outside world whether an interrupted call happened; it takes the
            same arguments and returns an `Observation` or None. Needed for `recovery="verify"`.
        asks: whether a person must say yes to each call, unless they allowed the tool by name.
    """
    options = ToolOptions(effect=effect, recovery=recovery, requires=requires, verify=verify, asks=asks)

    def mark(target: _Function) -> _Function:
        setattr(target, _MARK, options)
        return target

    return mark(function) if function is not None else mark


class Toolset:
    """Base class of tools that share state: every method marked `@tool` becomes one."""

    def __iter__(self) -> Iterator[FunctionTool]:
        for name, method in inspect.getmembers(self, inspect.ismethod):
            options: ToolOptions | None = getattr(method, _MARK, None)
            if options is not None:
                verify = getattr(self, options.verify) if options.verify else None
                yield FunctionTool(method, options, name=name, verify=verify)

    def close(self) -> None:
        """Free what the tools hold; called when a run stops, safe to call twice."""


class FunctionTool:
    """A tool made of a Python function; its signature is the schema."""

    def __init__(
        self,
        function: Callable[..., Observation | str],
        options: ToolOptions | None = None,
        *,
        name: str | None = None,
        verify: Callable[..., Observation | None] | None = None,
    ) -> None:
        marked: ToolOptions | None = getattr(function, _MARK, None)
        options = options or marked or ToolOptions()
        if options.recovery == "verify" and verify is None:
            raise ConfigError(f"tool {name or function.__name__!r} has recovery 'verify' and no method that verifies")
        self._function = function
        self._verify = verify
        name = name or function.__name__
        parameters = inspect.signature(function, eval_str=True).parameters.values()
        self._context = next((p.name for p in parameters if p.annotation is ToolContext), None)
        self._arguments = TypeAdapter(_model(name, [p for p in parameters if p.name != self._context]))
        self._spec = ToolSpec(
            name=name,
            description=inspect.getdoc(function) or "",
            schema=_plain(self._arguments.json_schema()),
            effect=options.effect,
            recovery=options.recovery,
            requires=options.requires,
            asks=options.asks,
        )

    @property
    def spec(self) -> ToolSpec:
        """Name, schema, effect, recovery and required gates."""
        return self._spec

    def parse(self, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """Check `arguments` against the signature and fill in defaults; the result is JSON.

        Raises:
            ToolArgumentError: they do not fit.
        """
        try:
            model = self._arguments.validate_python(arguments)
        except ValidationError as error:
            raise ToolArgumentError(_explain(self._spec.name, error)) from error
        return dict(self._arguments.dump_python(model, mode="json"))

    def run(self, arguments: Mapping[str, object], context: ToolContext) -> Observation:
        """Call the function."""
        given = self._function(**self._bind(arguments, context))
        # somebody's tool may return what its annotation does not say; its effect is done, so it must be recorded
        return given if isinstance(given, Observation) else Observation(text=str(given))

    def verify(self, arguments: Mapping[str, object], context: ToolContext) -> Observation | None:
        """Ask the outside world whether an interrupted call happened."""
        if self._verify is None:
            raise ToolError(f"{self._spec.name} cannot tell whether the interrupted call happened")
        return self._verify(**self._bind(arguments, context))

    def _bind(self, arguments: Mapping[str, object], context: ToolContext) -> dict[str, object]:
        model = self._arguments.validate_python(arguments)
        bound: dict[str, object] = {name: getattr(model, name) for name in type(model).model_fields}
        return {**bound, self._context: context} if self._context else bound


def _model(name: str, parameters: list[inspect.Parameter]) -> type[BaseModel]:
    fields: dict[str, Any] = {
        p.name: (p.annotation if p.annotation is not p.empty else object, ... if p.default is p.empty else p.default)
        for p in parameters
    }
    made: type[BaseModel] = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    return made


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Drop what costs tokens and tells a model nothing: titles."""
    return {**cast("dict[str, Any]", _without_titles(schema)), "additionalProperties": False}


def _without_titles(node: object, *, is_properties: bool = False) -> object:
    """Copy a schema; among `properties` a key called title is a parameter's name and stays."""
    if isinstance(node, list):
        return [_without_titles(item) for item in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_titles(value, is_properties=key in {"properties", "$defs"} and not is_properties)
        for key, value in cast("dict[str, object]", node).items()
        if is_properties or key != "title"
    }


def _explain(name: str, error: ValidationError) -> str:
    problems = [f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors(include_url=False)]
    return f"the arguments of {name} do not fit its schema: {'; '.join(problems)}. Send the call again, corrected."
