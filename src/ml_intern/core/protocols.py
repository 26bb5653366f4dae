"""The seams of the package: what a plugin implements and the engine calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ml_intern.core.events import Event, Record
from ml_intern.core.live import Watcher, ignore
from ml_intern.core.messages import Message, Observation, Reply, ToolCall, ToolSpec, Usage
from ml_intern.core.sandbox import SandboxBackend


class ChatModel(Protocol):
    """A language model that can call tools."""

    @property
    def label(self) -> str:
        """How every surface names it."""
        ...

    def estimate(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Usage:
        """Give an upper estimate of what `complete` would cost, before it is asked."""
        ...

    def complete(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], *, on_text: Callable[[str], None]
    ) -> Reply:
        """Answer the conversation; `on_text` sees the text as it is streamed.

        Raises:
            ModelError: the service failed after its own retries.
            ConfigError: the person must act: a key is missing or refused, the model is unknown.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPaths:
    """Where the files of one run live on the host."""

    root: Path

    @property
    def workspace(self) -> Path:
        """The agent's own files; `/workspace` inside."""
        return self.root / "workspace"

    @property
    def visible_data(self) -> Path:
        """The search part and the inputs of the selection part of prepared data; `/data` inside."""
        return self.root / "data" / "visible"

    @property
    def hidden_data(self) -> Path:
        """Inputs and labels that no training sandbox sees: of the final part, and in `selection/` of that part."""
        return self.root / "data" / "hidden"

    @property
    def outputs(self) -> Path:
        """What training jobs wrote, a folder a call; `/outputs` inside, read-only."""
        return self.root / "outputs"

    @property
    def bundle(self) -> Path:
        """The files that will be published."""
        return self.root / "bundle"

    @property
    def snapshots(self) -> Path:
        """What the workspace held before and after each executing call."""
        return self.root / "snapshots"

    def call(self, call_id: str) -> Path:
        """The side files of one call: output, metrics, claims."""
        return self.root / "calls" / call_id


def _no_sandbox() -> SandboxBackend:
    raise NotImplementedError("this context has no sandbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What a tool, a gate or a check may know of the run.

    Attributes:
        run: identifier of the run.
        call_id: identifier of the call; the same after a crash and resume.
        paths: where the run's files are.
        records: the journal so far.
        sandboxes: gives the backend, started at its first use; raises `SandboxError` where none works.
        live: shows output and metrics while they happen.
        cancelled: whether the person asked to stop.
        seeds: how many trainings, of different seeds, an evaluation shall rest on.
        control: whether an evaluation trains once more, on permuted labels.
        allowed: findings and checks of the data that the person overrules, each with the reason.
        home: the folder of the person that holds runs, caches and local publications; None follows the environment.
    """

    run: str
    call_id: str
    paths: RunPaths
    records: Sequence[Record] = ()
    sandboxes: Callable[[], SandboxBackend] = _no_sandbox
    live: Watcher = field(default=ignore)
    cancelled: Callable[[], bool] = lambda: False
    seeds: int = 1
    control: bool = False
    allowed: Mapping[str, str] = field(default_factory=dict[str, str])
    home: Path | None = None


class Tool(Protocol):
    """One function the language model may call."""

    @property
    def spec(self) -> ToolSpec:
        """Name, schema, effect, recovery and required gates."""
        ...

    def parse(self, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """Check what the model sent, before any gate looks at it; the result is JSON.

        Raises:
            ToolArgumentError: it does not fit the schema.
        """
        ...

    def run(self, arguments: Mapping[str, object], context: ToolContext) -> Observation:
        """Do the work on arguments that `parse` returned.

        Raises:
            ToolError: the model can react; anything else ends the run.
        """
        ...

    def verify(self, arguments: Mapping[str, object], context: ToolContext) -> Observation | None:
        """Ask the outside world whether an interrupted call happened; None means that it surely did not.

        Called only where `spec.recovery` is `verify`.

        Raises:
            ToolError: it cannot be found out; the model is told.
        """
        ...


class Journal(Protocol):
    """An append-only record of one run; durable once `append` returns."""

    def append(self, event: Event) -> Record:
        """Store `event` and return it with its place and time.

        Raises:
            JournalError: it could not be stored, or is a second answer where one may exist.
        """
        ...

    def __iter__(self) -> Iterator[Record]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A gate's answer; `reason` is written for the language model."""

    passed: bool
    reason: str


class Gate(Protocol):
    """A condition that code, not the model, checks before a call runs."""

    @property
    def name(self) -> str:
        """The name tools use in `requires`."""
        ...

    def check(self, call: ToolCall, context: ToolContext) -> Verdict:
        """Judge `call` by what the journal and the run's files prove. No side effects."""
        ...


class CompletionCheck(Protocol):
    """Decides whether the model may stop."""

    def missing(self, records: Sequence[Record]) -> Sequence[str]:
        """Say what the task still lacks, a sentence each, for the language model; empty means accepted."""
        ...
