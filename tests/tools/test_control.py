"""On permuted labels a script must fall to chance: what does not, knows the labels otherwise."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.samples import write_csv
from ml_intern.core.facts import Evaluated, Finding, Score
from ml_intern.core.messages import Observation, ToolCall
from ml_intern.core.protocols import RunPaths, ToolContext
from ml_intern.core.sandbox import SandboxBackend
from ml_intern.evaluation.control import judge_control
from ml_intern.evaluation.gates import EvaluatedGate
from tools.test_custody import SCRIPT, Bench


def score(value: float, *, low: float, high: float) -> Score:
    return Score(metric="accuracy", value=value, low=low, high=high, baseline=0.3, higher_is_better=True)


@pytest.mark.parametrize(
    ("value", "refuses"), [(0.31, None), (0.36, None), (0.2, None), (0.55, False), (0.7, True), (0.95, True)]
)
def test_a_control_is_judged_by_chance_and_by_what_was_measured(value: float, refuses: bool | None) -> None:
    found = judge_control(score(value, low=value - 0.06, high=value + 0.06), score(0.9, low=0.85, high=0.95), 100)

    assert (found and found.refuses) == refuses


def test_an_error_that_falls_is_above_chance_too() -> None:
    def error(value: float) -> Score:
        low, high = value - 0.1, value + 0.1
        return Score(metric="rmse", value=value, low=low, high=high, baseline=2.0, higher_is_better=False)

    assert judge_control(error(2.2), error(0.5), 100) is None
    found = judge_control(error(0.6), error(0.5), 100)
    assert found is not None
    assert found.refuses


@pytest.fixture
def bench(tmp_path: Path, backend: SandboxBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    chance = random.Random(0)
    rows = [(round(chance.gauss(0, 1), 3), round(chance.gauss(0, 1), 3)) for _ in range(300)]
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "rows.csv", ["a", "b", "y"], [(a, b, round(2 * a - b, 3)) for a, b in rows])
    made = Bench(tmp_path / "run", backend)
    made.control = True
    made.call("prepare_dataset", dataset="./rows.csv")
    made.network()
    yield made
    made.close()


def evaluated(observation: Observation) -> Evaluated:
    (fact,) = [fact for fact in observation.facts if isinstance(fact, Evaluated)]
    return fact


@pytest.mark.sandbox
def test_an_honest_script_falls_to_chance(bench: Bench) -> None:
    bench.train()

    told = bench.call("evaluate")

    control = evaluated(told).control
    assert control is not None, evaluated(told).findings
    assert (control.metric, evaluated(told).control_rows) == ("rmse", 24)
    assert control.value > 10 * evaluated(told).scores[0].value
    assert "on permuted labels, the same script falls to chance: rmse" in told.text
    assert not evaluated(told).findings


@pytest.mark.sandbox
def test_a_script_that_brings_its_answers_along_is_refused_unless_a_person_allows_it(
    bench: Bench, tmp_path: Path
) -> None:
    answers = "network.layer.weight.data.copy_(torch.tensor([[2.0, -1.0]]))\nnetwork.layer.bias.data.zero_()\n"
    bench.train(SCRIPT.replace("optimizer =", f"{answers}optimizer =").replace("lr=0.1", "lr=0.001"))

    told = bench.call("evaluate")

    assert [(found.name, found.refuses) for found in evaluated(told).findings] == [("control", True)]
    assert "Cannot be published: Trained on permuted labels" in told.text
    assert not passes(bench, {})
    assert passes(bench, {"control": "the weights come from the paper"})


def passes(bench: Bench, allowed: dict[str, str]) -> bool:
    records = list(bench.journal)
    context = ToolContext(run="r", call_id="p", paths=RunPaths(root=Path()), records=records, allowed=allowed)
    return EvaluatedGate().check(ToolCall(id="p", name="publish"), context).passed


def test_findings_are_named() -> None:
    found = judge_control(score(0.9, low=0.85, high=0.95), score(0.9, low=0.85, high=0.95), 100)

    assert isinstance(found, Finding)
    assert "0.9 [0.85, 0.95] on 100 rows of selection, where chance gives 0.3" in found.detail
