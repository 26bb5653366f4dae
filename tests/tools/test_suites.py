"""Tests that an agent writes for its network, through the tools, in a real sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from ml_intern.core.budget import Budget
from ml_intern.core.events import GateDecided, Record, RunFinished, ToolFinished
from ml_intern.core.facts import Constraint, ContractAgreed, NetworkVerified, SuiteJudged
from ml_intern.core.gated import NetworkChecked
from ml_intern.core.messages import Observation, ToolCall
from ml_intern.core.protocols import Gate, RunPaths, ToolContext, Verdict
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.engine import loop
from ml_intern.tools._files import read_text
from ml_intern.tools.executor import PyTorchExecutor
from ml_intern.verification.gates import DummyForwardGate, UnitTestsGate
from support import START, MemoryJournal, Script, harness, reply
from tools.test_executor import SCRIPT, Bench
from verification.routing import MOE, SHAPES_ONLY, TESTS, WRONG

Turn: TypeAlias = tuple[str, dict[str, object]]
NOVEL = MOE.replace("\n\nclass Router", '\nNOVEL = ["Router", "gates_of", "balance_loss"]\n\n\nclass Router', 1)
CHECK: dict[str, object] = {"class_name": "Net", "arguments": {}, "inputs": [{"shape": [8]}], "output_shape": [3]}


@pytest.fixture
def bench(tmp_path: Path, backend: SandboxBackend) -> Iterator[Bench]:
    bench = Bench(tmp_path / "run", backend)
    yield bench
    bench.executor.close()


def write(bench: Bench, network: str, tests: str) -> Observation:
    bench.call("write_file", path="network.py", content=network)
    bench.call("write_file", path="test_network.py", content=tests)
    return bench.call("test_network", network="network.py", tests="test_network.py")


def gate(bench: Bench) -> Verdict:
    context = ToolContext(run="run", call_id="c", paths=bench.paths, records=list(bench.journal))
    return UnitTestsGate().check(ToolCall(id="c", name="train", arguments={"network": "network.py"}), context)


def test_what_tests_may_import_can_be_read(tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    paths.workspace.mkdir()

    shown = read_text(paths, "properties.py", start_line=1, lines=200)

    assert "is_causal(function, x, dim=1): The output at a position does not depend on later ones" in shown
    assert "experts_permute(layer, x, *, experts='experts', router='router')" in shown
    assert "_changed" not in shown
    (paths.workspace / "properties.py").write_text("mine", "utf-8")
    assert read_text(paths, "properties.py", start_line=1, lines=200) == "mine"


@pytest.mark.sandbox
def test_properties_accept_right_routing_and_notice_most_wrong_versions(bench: Bench) -> None:
    judged = write(bench, NOVEL, TESTS)

    assert judged.ok, judged.text
    (fact,) = judged.facts
    assert isinstance(fact, SuiteJudged)
    assert (fact.tests, fact.layers) == (5, ("Router", "balance_loss", "gates_of"))
    assert fact.killed / fact.mutants > 0.9
    assert gate(bench).passed


LEAKY = """
import torch
from torch import nn


class Net(nn.Module):
    def forward(self, x):  # (batch, time) -> (batch, time, 3), the last of which is never chosen
        seen = x.cumsum(1)
        total = x.sum(1, keepdim=True).expand_as(x) if LEAKS else 0 * x
        return torch.stack([seen, total, torch.full_like(x, -1e9)], -1)
"""
CAUSAL = """
import properties
import torch
from network import Net


def test_nothing_of_what_comes_later_is_seen():
    properties.is_causal(Net(), torch.randn(2, 6))


def test_samples_do_not_see_each_other():
    properties.independent_of_batch(Net(), torch.randn(2, 6))
"""


@pytest.mark.sandbox
def test_properties_see_differences_beside_what_fills_masked_places(bench: Bench) -> None:
    right = write(bench, LEAKY.replace("LEAKS", "False"), CAUSAL).text
    wrong = write(bench, LEAKY.replace("LEAKS", "True"), CAUSAL).text

    assert "changing position 3 and later moves an earlier output" not in right
    assert "changing position 3 and later moves an earlier output" in wrong


@pytest.mark.sandbox
@pytest.mark.parametrize("name", WRONG)
def test_properties_refuse_wrong_routing_that_has_the_right_shapes(bench: Bench, name: str) -> None:
    right, wrong = WRONG[name]

    refused = write(bench, MOE.replace(right, wrong), TESTS)

    assert right in MOE
    assert not refused.ok
    assert "FAILED on network.py" in refused.text
    assert refused.facts == ()


@pytest.mark.sandbox
def test_tests_that_look_at_shapes_only_do_not_open_the_way_to_training_of_a_new_layer(bench: Bench) -> None:
    shown = write(bench, NOVEL, SHAPES_ONLY)

    refused = gate(bench)

    assert "wrong end: probabilities.topk(k, dim=-1) → probabilities.topk(k, dim=-1, largest=False)" in shown.text
    assert not refused.passed
    assert "declared new" in refused.reason


@pytest.mark.sandbox
def test_tests_that_notice_nothing_are_called_worthless_and_do_not_count(bench: Bench) -> None:
    idle = "from network import Net\n\n\ndef test_it_exists():\n    assert Net is not None\n"

    judged = write(bench, MOE, idle)

    assert not judged.ok
    assert "WORTHLESS" in judged.text
    assert judged.facts == ()


@pytest.mark.sandbox
def test_a_test_that_needs_luck_fails(bench: Bench) -> None:
    luck = "import torch\nfrom network import Net\n\n\ndef test_luck():\n    assert torch.rand(9).sum() < SUM\n"

    judged = write(bench, MOE, luck.replace("SUM", "4.4"))

    assert not judged.ok
    assert "another seed" in judged.text


@pytest.mark.sandbox
@pytest.mark.parametrize("end", ["__import__('os')._exit(0)", "raise SystemExit(0)"])
def test_tests_that_leave_do_not_pass(bench: Bench, end: str) -> None:
    judged = write(bench, MOE, f"from network import Net\n\n\ndef test_leaves():\n    {end}\n")

    assert not judged.ok
    assert judged.facts == ()


@pytest.mark.sandbox
def test_an_edit_runs_the_tests_again_at_the_check_and_a_failure_voids_it(bench: Bench) -> None:
    write(bench, MOE, TESTS)
    right, wrong = WRONG["the smallest k instead of the largest"]
    bench.call("write_file", path="network.py", content=MOE.replace(right, wrong))

    stopped = gate(bench)
    refused = bench.call("check_network", file="network.py", **CHECK)
    bench.call("write_file", path="network.py", content=MOE)
    accepted = bench.call("check_network", file="network.py", **CHECK)

    assert not stopped.passed
    assert "is left out" in refused.text
    assert not [fact for fact in refused.facts if isinstance(fact, NetworkVerified)]
    assert {type(fact) for fact in accepted.facts} == {NetworkVerified, NetworkChecked, SuiteJudged}


@pytest.mark.sandbox
def test_removed_tests_void_the_check(bench: Bench) -> None:
    write(bench, MOE, TESTS)
    (bench.paths.workspace / "test_network.py").unlink()

    refused = bench.call("check_network", file="network.py", **CHECK)

    assert not refused.ok
    assert "test_network.py is not in the workspace" in refused.text


def test_a_layer_that_the_contract_calls_new_needs_tests(tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    paths.workspace.mkdir()
    (paths.workspace / "network.py").write_text("class Router:\n    pass\n", "utf-8")
    new = Constraint(name="novel layer", value="Router", words="its own routing")
    agreed = ContractAgreed(objective="route", deliverables=("trained_model",), constraints=(new,))
    call = ToolCall(id="c0", name="contract")
    journal = MemoryJournal([START, ToolFinished(call=call, observation=Observation(text="", facts=(agreed,)))])
    context = ToolContext(run="r", call_id="c1", paths=paths, records=list(journal))

    verdict = UnitTestsGate().check(ToolCall(id="c1", name="train", arguments={"network": "network.py"}), context)

    assert not verdict.passed
    assert "Router declared new" in verdict.reason


@pytest.mark.sandbox
def test_a_routing_task_reaches_training_only_through_the_right_layer(tmp_path: Path, backend: SandboxBackend) -> None:
    drafts = [NOVEL.replace(right, wrong) for right, wrong in WRONG.values()]
    check: Turn = ("check_network", {"file": "network.py", **CHECK})
    test: Turn = ("test_network", {"network": "network.py", "tests": "test_network.py"})
    train: Turn = ("train", {"script": "train.py", "network": "network.py", "hyperparameters": {"steps": 30}})
    turns: list[list[Turn]] = [[("write_file", {"path": "test_network.py", "content": TESTS})]]
    for draft in [*drafts, NOVEL]:
        written: Turn = ("write_file", {"path": "network.py", "content": draft})
        turns.append([written, check, test, train])
    turns[0].append(("write_file", {"path": "train.py", "content": SCRIPT}))
    replies = [reply("", *calls, first_id=10 * number) for number, calls in enumerate(turns)]
    executor = PyTorchExecutor(use_gpu=False)
    gates: dict[str, Gate] = {"dummy_forward": DummyForwardGate(), "unit_tests": UnitTestsGate()}
    parts = harness(Script(*replies, reply("done")), list(executor), tmp_path, gates=gates, budget=Budget())
    RunPaths(root=tmp_path).workspace.mkdir()
    RunPaths(root=tmp_path).outputs.mkdir()

    def context(call_id: str, records: Sequence[Record]) -> ToolContext:
        return replace(parts.context(call_id, records), sandboxes=lambda: backend)

    confined = replace(parts, context=context)

    events = [record.event for record in loop.run(confined, MemoryJournal(), [START])]
    executor.close()

    trained = [e.observation.ok for e in events if isinstance(e, ToolFinished) and e.call.name == "train"]
    verdicts = [e.passed for e in events if isinstance(e, GateDecided) and e.gate == "unit_tests"]
    assert verdicts == [False, False, False, True]
    assert trained == [False, False, False, True]
    assert isinstance(events[-1], RunFinished)
