"""Carry out one tool call: parse, gates, approval, intent, run; always one observation, or a question to a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from ml_intern.core.errors import JournalError, ToolError
from ml_intern.core.events import ApprovalAsked, Event, GateDecided, Record, ToolFinished, ToolStarted
from ml_intern.core.messages import Observation, ToolCall
from ml_intern.core.neutral import neutral
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
        yield _finished(tool, harness, torn, _recover(tool, torn, context))
        return
    parsed = _parse(tool, call)
    if isinstance(parsed, ToolFinished):
        yield parsed
        return
    for event in _permit(tool, parsed, harness, context):
        yield event
        if isinstance(event, ToolFinished | ApprovalAsked):
            return
    yield ToolStarted(call=parsed, workspace=harness.snapshot() if _executes(tool) else None)
    yield _finished(tool, harness, parsed, _run(tool, parsed, context))


def _executes(tool: Tool) -> bool:
    return tool.spec.effect == "execute"


def _finished(tool: Tool, harness: Harness, call: ToolCall, observation: Observation) -> ToolFinished:
    """Close the call. What it did is done: a disk that is full by now must not make that unknown."""
    workspace = None
    if _executes(tool):
        with suppress(JournalError):
            workspace = harness.snapshot()
    return ToolFinished(call=call, observation=observation, workspace=workspace)


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
    why = _question(tool, call, harness, context)
    if not why:
        return
    answer = folds.answer(context.records, call.id)
    if answer is None:
        yield ApprovalAsked(call_id=call.id, reason=why)
    elif not answer.approved:
        said = f": {answer.comment}" if answer.comment else "."
        yield _refused(call, f"A person refused this call{said} Do not repeat it; find another way or stop.")


def _question(tool: Tool, call: ToolCall, harness: Harness, context: ToolContext) -> str:
    """Say why a person must agree; empty where nobody need be asked."""
    asked_for = not harness.approve.isdisjoint({tool.spec.effect, tool.spec.name})
    if asked_for or (tool.spec.asks and tool.spec.name not in harness.allow):
        return f"{call.name} ({tool.spec.effect}) needs a person's approval"
    return harness.question(call, context)


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
        observation = tool.run(call.arguments, context)
    except ToolError as error:
        observation = Observation(text=str(error), ok=False)
    # whatever papers, data and outputs hold: no reader of the journal is acted upon or shown less than there is
    return replace(observation, text=neutral(observation.text))


def _refused(call: ToolCall, reason: str) -> ToolFinished:
    return ToolFinished(call=call, observation=Observation(text=reason, ok=False))
