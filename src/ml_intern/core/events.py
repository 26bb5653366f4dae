"""The facts a run is made of. State is only ever a fold over these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ml_intern.core.messages import Observation, Reply, ToolCall, Usage

Outcome: TypeAlias = Literal[
    "done", "budget", "limit", "stuck", "incomplete", "cancelled", "model_failed", "sandbox_failed", "waiting"
]

EXIT_STATUS: dict[Outcome, int] = {
    "done": 0,
    "model_failed": 3,
    "budget": 4,
    "limit": 5,
    "stuck": 6,
    "sandbox_failed": 7,
    "incomplete": 8,
    "waiting": 9,
    "cancelled": 130,
}
"""Exit status of the command for each outcome (design §8); 2 is a `ConfigError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The task was accepted. `model` labels the brain; `version` is that of the package."""

    task: str
    system: str
    model: str
    version: str
    type: Literal["run_started"] = "run_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAsked:
    """A request is about to go out. `key` is its turn; `reserved` stays charged if no reply follows."""

    key: str
    reserved: Usage
    type: Literal["model_asked"] = "model_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReplied:
    """The language model answered."""

    key: str
    reply: Reply
    type: Literal["model_replied"] = "model_replied"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecided:
    """A gate looked at a call and gave its verdict."""

    call_id: str
    gate: str
    passed: bool
    reason: str
    type: Literal["gate_decided"] = "gate_decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAsked:
    """A call waits for a person; the run pauses here until an answer is appended."""

    call_id: str
    reason: str
    type: Literal["approval_asked"] = "approval_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAnswered:
    """A person decided, through whichever surface."""

    call_id: str
    approved: bool
    comment: str = ""
    type: Literal["approval_answered"] = "approval_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """A call passed its gates and begins; written before any side effect. `call` has parsed arguments.

    `workspace` is the digest of the snapshot of what the workspace held, for calls that execute code.
    """

    call: ToolCall
    workspace: str | None = None
    type: Literal["tool_started"] = "tool_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    """A call ended, was refused or failed; the observation says which. `workspace` is as in `ToolStarted`."""

    call: ToolCall
    observation: Observation
    workspace: str | None = None
    type: Literal["tool_finished"] = "tool_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nudged:
    """The harness says something to the model: what is missing before it may stop, or that it repeats itself."""

    reason: Literal["incomplete", "repetition"]
    text: str
    type: Literal["nudged"] = "nudged"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceRestored:
    """A person put the workspace back to what it held before a call; `text` tells the model.

    `workspace` and `before` are the digests of the snapshot that was restored and of the one made just before.
    """

    call_id: str
    workspace: str
    before: str
    text: str
    type: Literal["workspace_restored"] = "workspace_restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The run ended; nothing follows unless the person resumes it with more budget."""

    outcome: Outcome
    text: str
    type: Literal["run_finished"] = "run_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReopened:
    """A finished run goes on, because the person asked for it."""

    reason: str
    type: Literal["run_reopened"] = "run_reopened"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckWaived:
    """The person lets a check of networks or trainings fail in this run, and says why."""

    check: str
    reason: str
    type: Literal["check_waived"] = "check_waived"


Event: TypeAlias = (
    RunStarted
    | ModelAsked
    | ModelReplied
    | GateDecided
    | ApprovalAsked
    | ApprovalAnswered
    | ToolStarted
    | ToolFinished
    | Nudged
    | WorkspaceRestored
    | RunFinished
    | RunReopened
    | CheckWaived
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An event with its place (`seq`, from 0) and time (`at`, Unix seconds)."""

    seq: int
    at: float
    event: Event
