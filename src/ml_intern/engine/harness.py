"""The parts a run is carried out with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ml_intern.core.budget import Budget
from ml_intern.core.events import Record
from ml_intern.core.live import Watcher, ignore
from ml_intern.core.messages import ToolCall
from ml_intern.core.protocols import ChatModel, CompletionCheck, Gate, Tool, ToolContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Harness:
    """Everything the loop calls, and nothing it remembers.

    Attributes:
        context: makes the context of a call from its id and the journal.
        approve: effects and tool names that need a person's yes.
        allow: names of tools that ask for a yes of themselves and need none in this run.
        snapshot: keeps what the workspace holds and gives the digest; None where nothing is kept.
        question: why one call needs a person's yes besides; empty where it does not.
        cancelled: whether a person asked to stop; polled between steps and by tools.
    """

    model: ChatModel
    tools: Mapping[str, Tool]
    gates: Mapping[str, Gate]
    completion: CompletionCheck
    budget: Budget
    context: Callable[[str, Sequence[Record]], ToolContext]
    approve: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    question: Callable[[ToolCall, ToolContext], str] = lambda call, context: ""
    live: Watcher = ignore
    snapshot: Callable[[], str | None] = lambda: None
    cancelled: Callable[[], bool] = lambda: False
