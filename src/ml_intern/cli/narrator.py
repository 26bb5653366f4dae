"""Tell a run as it happens: records and live events in, things to show out. No clock, no terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from ml_intern.cli.shown import Chunk, Line, Progress, ProgressEnded, Shown, Style
from ml_intern.cli.summary import end_lines, fact_lines
from ml_intern.core.events import (
    ApprovalAnswered,
    ApprovalAsked,
    CheckWaived,
    Event,
    GateDecided,
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
from ml_intern.core.live import Live, Metric, ModelText, ToolOutput
from ml_intern.core.messages import ToolCall
from ml_intern.core.neutral import one_line

WIDTH = 200
"""Characters of one shown line of output."""
OUTPUT_LINES = 40
"""Lines of output shown of one call; the whole of it is in the run's folder."""

_OfCall: TypeAlias = GateDecided | ApprovalAsked | ApprovalAnswered | ToolStarted | ToolFinished
_OfRun: TypeAlias = (
    RunStarted | ModelAsked | ModelReplied | Nudged | WorkspaceRestored | RunFinished | RunReopened | CheckWaived
)


@dataclass(slots=True, kw_only=True)
class _Printed:
    """What one call printed: its unfinished line, and how many lines were seen."""

    partial: str = ""
    lines: int = 0


def narrate(items: Iterable[Record | Live]) -> list[Shown]:
    """Tell a whole story at once."""
    narrator = Narrator()
    return [shown for item in items for shown in narrator.tell(item)]


class Narrator:
    """Turns what happens into what is shown; `history` is what happened before and is not told again."""

    def __init__(self, history: Sequence[Record] = ()) -> None:
        self._records = list(history)
        self._streamed = False
        self._announced: set[str] = set()
        self._refused: set[str] = set()
        self._printed: dict[str, _Printed] = {}
        self._training = False

    def tell(self, item: Record | Live) -> Iterator[Shown]:
        """Give what to show for the next thing that happened."""
        match item:
            case Record(event=event):
                self._records.append(item)
                yield from self._event(event)
            case ModelText(text=text):
                self._streamed = True
                yield Chunk(text=text)
            case ToolOutput():
                yield from self._output(item)
            case Metric():
                self._training = True
                yield Progress(step=item.step, total=item.total, values=item.values)
            case _:
                assert_never(item)

    def _event(self, event: Event) -> Iterator[Shown]:
        if isinstance(event, _OfCall):
            yield from self._of_call(event)
        else:
            yield from self._of_run(event)

    def _of_run(self, event: _OfRun) -> Iterator[Shown]:
        match event:
            case RunStarted():
                yield Line(text=event.task, style="title")
                yield Line(text=f"brain: {event.model}", style="note")
            case ModelAsked():
                self._streamed = False
            case ModelReplied(reply=reply):
                if reply.text and not self._streamed:
                    yield from (Line(text=line, style="model") for line in reply.text.splitlines())
            case Nudged() | WorkspaceRestored():
                yield from _told(event)
            case RunFinished():
                yield from self._finished(event)
            case RunReopened() | CheckWaived():
                yield _by_the_person(event)
            case _:
                assert_never(event)

    def _of_call(self, event: _OfCall) -> Iterator[Shown]:
        match event:
            case GateDecided():
                verdict = "passed" if event.passed else "refused"
                if not event.passed:
                    self._refused.add(event.call_id)
                yield from self._announce_by_id(event.call_id)
                style: Style = "good" if event.passed else "bad"
                yield from _block(f"  gate {event.gate} {verdict}: ", event.reason, style=style, lines=3)
            case ApprovalAsked():
                yield from self._announce_by_id(event.call_id)
                yield from _block("  needs your approval: ", event.reason, style="bad", lines=6)
            case ApprovalAnswered():
                word = "approved" if event.approved else "denied"
                yield Line(text=f"  {word} by a person{': ' if event.comment else ''}{event.comment}", style="note")
            case ToolStarted(call=call):
                yield from self._announce(call)
            case ToolFinished():
                yield from self._call_finished(event)
            case _:
                assert_never(event)

    def _announce(self, call: ToolCall) -> Iterator[Line]:
        """Show a call once, whatever comes first: a gate, its start or its refusal."""
        if call.id not in self._announced:
            self._announced.add(call.id)
            yield Line(text=f"> {call_text(call)}", style="call")

    def _announce_by_id(self, call_id: str) -> Iterator[Line]:
        call = find_call(self._records, call_id)
        if call is not None:
            yield from self._announce(call)

    def _output(self, output: ToolOutput) -> Iterator[Shown]:
        printed = self._printed.setdefault(output.call_id, _Printed())
        # a progress bar redraws its line with \r: only its last state is worth a line
        *whole, printed.partial = (printed.partial + output.text).replace("\r\n", "\n").split("\n")
        printed.partial = printed.partial[-8 * WIDTH :]
        for line in whole:
            yield from _output_line(printed, line)

    def _call_finished(self, event: ToolFinished) -> Iterator[Shown]:
        yield from self._announce(event.call)
        printed = self._printed.pop(event.call.id, _Printed())
        if printed.partial:
            yield from _output_line(printed, printed.partial)
        if printed.lines > OUTPUT_LINES:
            yield Line(text=f"  | … {printed.lines - OUTPUT_LINES:,} more lines", style="output")
        if self._training:
            self._training = False
            yield ProgressEnded()
        yield from self._result(event, streamed=printed.lines > 0)

    def _result(self, event: ToolFinished, *, streamed: bool) -> Iterator[Shown]:
        observation = event.observation
        if not observation.ok:
            if event.call.id not in self._refused:
                yield from _block("  failed: ", observation.text, style="bad", lines=8)
        elif observation.facts:
            for fact in observation.facts:
                yield from fact_lines(fact)
        elif streamed:
            yield Line(text="  ok", style="note")
        else:
            yield from _block("  ", observation.text, style="note", lines=3)

    def _finished(self, event: RunFinished) -> Iterator[Shown]:
        words = next((r.event.reply.text for r in reversed(self._records) if isinstance(r.event, ModelReplied)), "")
        yield Line(text="")
        yield from end_lines(self._records, event.outcome)
        if event.text and event.text != words:
            yield from _block("  ", event.text, style="plain", lines=12)


def _by_the_person(event: RunReopened | CheckWaived) -> Line:
    text = f"goes on: {event.reason}" if isinstance(event, RunReopened) else _waived(event)
    return Line(text=text, style="note")


def _waived(event: CheckWaived) -> str:
    return f"waived by the person: {event.check}, because {event.reason}"


def _told(event: Nudged | WorkspaceRestored) -> Iterator[Line]:
    """Show what the model is told from outside the conversation."""
    if isinstance(event, Nudged):
        yield from _block(f"runtime objects ({event.reason}): ", event.text, style="bad", lines=6)
    else:
        yield from _block(f"workspace as before {event.call_id}: ", event.text, style="note", lines=3)


def find_call(records: Sequence[Record], call_id: str) -> ToolCall | None:
    """Give the call as the model made it."""
    for record in reversed(records):
        if isinstance(record.event, ModelReplied):
            for call in record.event.reply.calls:
                if call.id == call_id:
                    return call
    return None


def call_text(call: ToolCall) -> str:
    """Write a call on one line with its arguments cut short."""
    if call.malformed is not None:
        return f"{call.name}({one_line(call.malformed, 60)})"
    return f"{call.name}({_arguments(call.arguments)})"


def _arguments(arguments: Mapping[str, object]) -> str:
    # parsed arguments hold every default; an empty one says nothing
    written = (f"{name}={_value(value)}" for name, value in arguments.items() if value not in (None, "", [], {}))
    return one_line(", ".join(written), 160)


def _value(value: object) -> str:
    if isinstance(value, str):
        return f"'{one_line(value, 48)}'" + (f" ({len(value):,} characters)" if len(value) > 48 else "")
    return one_line(json.dumps(value, ensure_ascii=False, default=str), 48)


def _output_line(printed: _Printed, line: str) -> Iterator[Line]:
    last_state = line.rstrip("\r").rpartition("\r")[2]
    printed.lines += 1
    if printed.lines <= OUTPUT_LINES:
        yield Line(text=f"  | {_clip(last_state)}", style="output")


def _block(prefix: str, text: str, *, style: Style, lines: int) -> Iterator[Line]:
    """Show the first `lines` lines of a text, the first behind `prefix`, and how many are left."""
    given = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(given[:lines]):
        yield Line(text=(prefix if number == 0 else "    ") + _clip(line), style=style)
    if len(given) > lines:
        yield Line(text=f"    … {len(given) - lines:,} more lines", style=style)


def _clip(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
