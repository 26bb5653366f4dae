"""Parts that many tests build runs from: a scripted brain, tools with visible effects, a short harness."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ml_intern.core.budget import Budget
from ml_intern.core.errors import ToolError
from ml_intern.core.events import Event, Record, RunStarted, ToolFinished, ToolStarted
from ml_intern.core.live import Live
from ml_intern.core.messages import Message, Observation, Reply, ToolCall, ToolSpec, Usage
from ml_intern.core.protocols import Gate, RunPaths, Tool, ToolContext
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.engine.harness import Harness
from ml_intern.tools import FunctionTool, Toolset, tool

START = RunStarted(task="train a model", system="You are careful.", model="scripted", version="0")


def reply(text: str, *calls: tuple[str, Mapping[str, object]], first_id: int = 0) -> Reply:
    """A model's turn with calls numbered from `first_id`."""
    made = tuple(
        ToolCall(id=f"c{first_id + n}", name=name, arguments=arguments) for n, (name, arguments) in enumerate(calls)
    )
    return Reply(text=text, calls=made, usage=Usage(input_tokens=10, output_tokens=5))


class Script:
    """A chat model that answers by how many turns it has had, so that it resumes like a service does."""

    label = "scripted"

    def __init__(self, *replies: Reply) -> None:
        self.replies = replies

    def estimate(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Usage:
        del messages, tools
        return Usage(input_tokens=20, output_tokens=20)

    def complete(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], *, on_text: Callable[[str], None]
    ) -> Reply:
        del tools
        turn = sum(m.role == "assistant" for m in messages)
        answer = self.replies[min(turn, len(self.replies) - 1)]
        on_text(answer.text)
        return answer


class Effects(Toolset):
    """Tools that write a line to a file for each effect, one for every kind of recovery."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def done(self) -> list[str]:
        return self._log.read_text("utf-8").split() if self._log.exists() else []

    def _do(self, what: str) -> Observation:
        with self._log.open("a", encoding="utf-8") as file:
            file.write(f"{what}\n")
        return Observation(text=f"did {what}")

    @tool(recovery="repeat")
    def look(self, what: str) -> str:
        """Look at something; changes nothing."""
        return f"saw {what}"

    @tool(effect="execute")
    def act(self, what: str) -> Observation:
        """Do something that nobody can ask about afterwards."""
        return self._do(what)

    @tool(effect="execute", recovery="attach")
    def job(self, context: ToolContext, what: str) -> Observation:
        """Start something once, by the call's id."""
        del what
        known = context.call_id in self.done()
        return Observation(text=f"did {context.call_id}") if known else self._do(context.call_id)

    @tool(effect="publish", recovery="verify", verify="happened")
    def publish(self, what: str) -> Observation:
        """Do something the outside world remembers."""
        return self._do(what)

    def happened(self, what: str) -> Observation | None:
        return Observation(text=f"did {what}") if what in self.done() else None


class Accept:
    """Finds nothing missing."""

    def missing(self, records: Sequence[Record]) -> Sequence[str]:
        del records
        return ()


class MemoryJournal:
    """A journal in a list, with times that count up."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self._clock = itertools.count()
        self.records: list[Record] = []
        for event in events:
            self.append(event)

    def append(self, event: Event) -> Record:
        self.records.append(Record(seq=len(self.records), at=float(next(self._clock)), event=event))
        return self.records[-1]

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self.records))


class Calls:
    """Calls tools as the engine does: what they prove goes into a journal that the next call sees."""

    def __init__(self, root: Path, backend: SandboxBackend, *toolsets: Toolset, opening: Sequence[Event] = ()) -> None:
        self.tools: dict[str, FunctionTool] = {tool.spec.name: tool for toolset in toolsets for tool in toolset}
        self.journal = MemoryJournal(opening)
        self.paths = RunPaths(root=root)
        self.paths.workspace.mkdir(parents=True)
        self.live: list[Live] = []
        self.backend = backend
        self.control = False

    def call(self, name: str, **arguments: object) -> Observation:
        tool = self.tools[name]
        call = ToolCall(id=f"c{len(self.journal.records)}", name=name, arguments=tool.parse(arguments))
        context = ToolContext(
            run="run",
            call_id=call.id,
            paths=self.paths,
            records=list(self.journal),
            sandboxes=lambda: self.backend,
            live=self.live.append,
            control=self.control,
        )
        self.journal.append(ToolStarted(call=call))
        try:
            observation = tool.run(call.arguments, context)
        except ToolError as error:
            observation = Observation(text=str(error), ok=False)
        self.journal.append(ToolFinished(call=call, observation=observation))
        return observation


def harness(
    model: Script,
    tools: Sequence[Tool],
    root: Path,
    *,
    gates: Mapping[str, Gate] | None = None,
    budget: Budget | None = None,
    approve: frozenset[str] = frozenset(),
    cancelled: Callable[[], bool] = lambda: False,
) -> Harness:
    return Harness(
        model=model,
        tools={t.spec.name: t for t in tools},
        gates=gates or {},
        completion=Accept(),
        budget=budget or Budget(),
        context=lambda call_id, records: ToolContext(
            run="r", call_id=call_id, paths=RunPaths(root=root), records=records, cancelled=cancelled
        ),
        approve=approve,
        cancelled=cancelled,
    )
