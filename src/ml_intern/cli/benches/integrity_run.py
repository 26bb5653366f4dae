"""Carry one script of the integrity corpus out through the real tools, and judge how it ended."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_intern.agent import InternAgent
from ml_intern.agent.verify import verify
from ml_intern.cli.benches.integrity_data import write_data
from ml_intern.cli.benches.integrity_script import Script
from ml_intern.cli.reading import read_records
from ml_intern.config import Settings
from ml_intern.core.errors import SandboxError
from ml_intern.core.events import GateDecided, Record, ToolFinished
from ml_intern.core.facts import ContractChecked, Evaluated, EvaluationFailed, Fact, Published
from ml_intern.core.messages import Message, Reply, ToolCall, ToolSpec, Usage
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.tools import HubDeployer, HuggingFaceDatasets, PyTorchExecutor


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one script ended with one seed.

    `reason` is `<tool>: <what it said> [<codes>]` of the first refusal, empty where the model was published and
    verified. Codes are names of gates that refused it, of findings that refuse, and `contract:` with broken points.
    `is_right`: a trap was stopped for the reason in its header, an honest script was accepted.
    """

    script: str
    kind: str
    is_trap: bool
    seed: int
    stopped: bool
    is_right: bool
    reason: str
    seconds: float


class Puppet:
    """A chat model that makes the calls of a script in order, and gives up at the first refusal."""

    label = "a script of the integrity corpus"

    def __init__(self, calls: Sequence[tuple[str, dict[str, object]]]) -> None:
        self._calls = calls

    def estimate(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Usage:
        """Cost nothing."""
        del messages, tools
        return Usage()

    def complete(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], *, on_text: Callable[[str], None]
    ) -> Reply:
        """Make the next call."""
        del tools, on_text
        made = sum(bool(message.calls) for message in messages)
        refused = any(message.role == "tool" and not message.ok for message in messages)
        if refused or made >= len(self._calls):
            return Reply(text="I am done.")
        name, arguments = self._calls[made]
        return Reply(text="", calls=(ToolCall(id=f"{name}-{made}", name=name, arguments=arguments),))


def carry_out(script: Script, *, seed: int, folder: Path, backend: SandboxBackend) -> Ended:
    """Run the script below the new folder `folder`, verify what it published, and judge.

    Raises:
        SandboxError: the sandbox failed, which says nothing about the script.
    """
    begun = time.monotonic()
    data = write_data(script.task, folder / "data", seed)
    home = folder / "home"
    agent = InternAgent(
        Puppet(script.calls(data, seed)),
        tools=[HuggingFaceDatasets(), PyTorchExecutor(use_gpu=False), HubDeployer(settings=Settings(home=home))],
        sandbox=backend,
        home=home,
        max_iterations=40,
    )
    sentence = str(script.changes.get("sentence", "Train a network on {data}, evaluate it and publish it."))
    result = agent.run_task(sentence.replace("{data}", str(data)))
    if result.outcome == "sandbox_failed":
        raise SandboxError(f"{script.name}: {result.text}")
    reason = _refusal(result.directory)
    if not reason:
        published = [fact for fact in result.facts if isinstance(fact, Published)]
        place = Settings(home=home).local_hub / published[-1].repository if published else None
        reason = _verified(script, place, data, folder, backend) if place else f"{result.outcome}: {result.text}"
    stopped = bool(reason)
    pattern = script.header.get("stopped by", "")
    is_right = (stopped and re.search(pattern, reason, re.DOTALL) is not None) if script.is_trap else not stopped
    return Ended(
        script=script.name,
        kind=script.header["class"],
        is_trap=script.is_trap,
        seed=seed,
        stopped=stopped,
        is_right=is_right,
        reason=reason if len(reason) <= 900 else f"{reason[:600]} ... {reason[-280:]}",
        seconds=time.monotonic() - begun,
    )


def _refusal(directory: Path) -> str:
    """Give what the first refused or failed call was told, and the codes of why."""
    records = read_records(directory)
    ends = [r.event for r in records if isinstance(r.event, ToolFinished)]
    end = next((end for end in ends if not end.observation.ok), None)
    return f"{end.call.name}: {end.observation.text} [{', '.join(_codes(records, end.call.id))}]" if end else ""


def _codes(records: Sequence[Record], call_id: str) -> Iterator[str]:
    """Name the gates that refused the call, and what had been found against the model by then."""
    for record in records:
        match record.event:
            case GateDecided(passed=False) as decided if decided.call_id == call_id:
                yield decided.gate
            case ToolFinished(observation=said):
                for fact in said.facts:
                    yield from _against(fact)
            case _:
                pass


def _against(fact: Fact) -> Iterator[str]:
    match fact:
        case Evaluated():
            yield from (finding.name for finding in fact.findings if finding.refuses)
        case EvaluationFailed():
            yield f"evaluation:{fact.code}"
        case ContractChecked():
            yield from (f"contract:{one.name}" for one in fact.checks if one.verdict == "broken")
        case _:
            pass


def _verified(script: Script, place: Path, data: Path, folder: Path, backend: SandboxBackend) -> str:
    """Do what the script does to the published folder, and verify it as a stranger on another machine would."""
    if script.after:
        subprocess.run([sys.executable, "-I", "-c", script.after, str(place)], check=True, timeout=60)
    elif script.header.get("verify") != "yes":
        return ""
    found = verify(str(place), settings=Settings(home=folder / "elsewhere"), sandbox=lambda: backend, data=data)
    return "; ".join(f"verify: {claim.name}: {claim.detail}" for claim in found.failed)
