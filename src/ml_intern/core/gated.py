"""What stood before a training, as facts: checks of the network, a smoke run of the script, waivers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkChecked:
    """The checks without a training ran on one exact source; what failed and is not waived keeps it from training.

    `contract` is the JSON of what the network was held to. `waived` has the reason by the name of a check that failed
    and was let pass; `unmeasured` names claims that no check measures. `seconds` of processor time.
    """

    file: str
    class_name: str
    source_digest: str
    contract: str
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    not_applicable: tuple[str, ...]
    inconclusive: tuple[str, ...]
    waived: Mapping[str, str] = field(default_factory=dict[str, str])
    unmeasured: tuple[str, ...] = ()
    seconds: float = 0.0
    type: Literal["network_checked"] = "network_checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waived:
    """The language model asked to let a check fail, and a person agreed."""

    check: str
    reason: str
    type: Literal["waived"] = "waived"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeRun:
    """A training script ran a few steps on a few batches, so that it may run as a whole.

    `script_digest` is that of the script, the network and what they import. `reached_end`: it also came to its end,
    so that what it does after the training ran too. `problem` is empty where it passed. `seconds` of wall-clock.
    """

    call_id: str
    script_digest: str
    steps: int
    seconds: float
    reached_end: bool
    problem: str = ""
    type: Literal["smoke_run"] = "smoke_run"
