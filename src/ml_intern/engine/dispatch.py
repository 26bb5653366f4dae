"""Carry out one tool call: parse, gates, approval, intent, run; always one observation, or a question to a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ml_intern.core.errors import ToolError
from ml_intern.core.events import ApprovalAsked, Event, GateDecided, Record, ToolFinished, ToolStarted
from ml_intern.core.messages import Observation, ToolCall
from ml_intern.core.protocols import Tool, ToolContext
from ml_intern.engine import folds
from ml_intern.engine.harness import Harness

_UNKNOWN_OUTCOME = (
    "The harness was interrupted while this call ran; whether it took effect is unknown and it was not repeated. "
    "Inspect the state (files, outputs) before you try again."
)


def dispatch(call: ToolCall, harness: Harness, records: Sequence[Record]) -> Iterator[Event]:
    """Yield the events of one call, ending with `ToolFinished` or `ApprovalAsked`."""
    tool = harness.tools.get(call.name)
    context = harness.context(call.id, records)
    if tool is None:
        yield _refused(call, f"There is no tool {call.name!r}. The tools are: {', '.join(sorted(harness.tools))}.")
        return
    if torn := folds.begun(records, call.id):
        yield ToolFinished(call=torn, observation=_recover(tool, torn, context))
        return
    parsed = _parse(tool, call)
    if isinstance(parsed, ToolFinished):
        yield parsed
        return
    for event in _permit(tool, parsed, harness, context):
        yield event
        if isinstance(event, ToolFinished | ApprovalAsked):
            return
    yield ToolStarted(call=parsed)
    yield ToolFinished(call=parsed, observation=_run(tool, parsed, context))


def _parse(tool: Tool, call: ToolCall) -> ToolCall | ToolFinished:
    if call.malformed is not None:
        shown = call.malformed[:200]
        return _refused(call, f"The arguments of {call.name} are not a JSON object: {shown!r}. Send the call again.")
    try:
        return replace(call, arguments=tool.parse(call.arguments))
    except ToolError as error:
        return _refused(call, str(error))


def _permit(tool: Tool, call: ToolCall, harness: Harness, context: ToolContext) -> Iterator[Event]:
    """Yield each gate's verdict, then a refusal or a question if there is one."""
    for name in tool.spec.requires:
        verdict = harness.gates[name].check(call, context)
        yield GateDecided(call_id=call.id, gate=name, passed=verdict.passed, reason=verdict.reason)
        if not verdict.passed:
            yield _refused(call, f"Refused by the gate {name!r}: {verdict.reason}")
            return
    if harness.approve.isdisjoint({tool.spec.effect, tool.spec.name}):
        return
    answer = folds.answer(context.records, call.id)
    if answer is None:
        yield ApprovalAsked(call_id=call.id, reason=f"{call.name} ({tool.spec.effect}) needs a person's approval")
    elif not answer.approved:
        said = f": {answer.comment}" if answer.comment else "."
        yield _refused(call, f"A person refused this call{said} Do not repeat it; find another way or stop.")


def _recover(tool: Tool, call: ToolCall, context: ToolContext) -> Observation:
    """Give the observation of a call that had begun in an earlier life of the run."""
    match tool.spec.recovery:
        case "repeat" | "attach":
            return _run(tool, call, context)
        case "verify":
            try:
                happened = tool.verify(call.arguments, context)
            except ToolError as error:
                return Observation(text=f"{_UNKNOWN_OUTCOME} ({error})", ok=False)
            return happened or _run(tool, call, context)
        case "ask":
            return Observation(text=_UNKNOWN_OUTCOME, ok=False)


def _run(tool: Tool, call: ToolCall, context: ToolContext) -> Observation:
    try:
        return tool.run(call.arguments, context)
    except ToolError as error:
        return Observation(text=str(error), ok=False)


def _refused(call: ToolCall, reason: str) -> ToolFinished:
    return ToolFinished(call=call, observation=Observation(text=reason, ok=False))
