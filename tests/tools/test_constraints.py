"""What the sentence fixed is held against what was proven, and a broken point must be said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ml_intern.core.contract import broken, concerns
from ml_intern.core.errors import ToolError
from ml_intern.core.events import ModelReplied, Record, RunStarted, ToolFinished
from ml_intern.core.facts import (
    Column,
    Constraint,
    ContractAgreed,
    ContractChecked,
    Departed,
    Evaluated,
    Fact,
    Kept,
    Published,
    Score,
)
from ml_intern.core.messages import Observation, Reply, ToolCall
from ml_intern.core.protocols import RunPaths, ToolContext
from ml_intern.engine.completion import ContractMet
from ml_intern.engine.gates import ContractKeptGate
from ml_intern.publishing.bundle import Bundle
from ml_intern.tools._constraints import Proven, check, named_data, render
from ml_intern.tools.contract import ContractTools, fixed_point
from publishing.samples import DATASET, TRAINED, VERIFIED, evaluated


def proven(tmp_path: Path, **changes: object) -> Proven:
    trained = replace(
        TRAINED, steps=972, optimizer="AdamW", hyperparameters={"epochs": "3", "batch_size": "4", "lr": "0.001"}
    )
    network = replace(VERIFIED, arguments='{"patch": 2, "dim": 96, "depth": 2, "heads": 4}')
    dataset = replace(DATASET, dataset="sklearn/digits", rows={"search": 1295, "selection": 143, "final": 359})
    accuracy = Score(metric="accuracy", value=0.8, low=0.7, high=0.9, baseline=0.1, higher_is_better=True)
    made = Proven(dataset=dataset, network=network, trained=trained, scores=(accuracy,), source=tmp_path)
    return replace(made, trained=replace(trained, **changes))  # type: ignore[arg-type]


def judged(made: Proven, name: str, value: str) -> Kept:
    (only,) = check((Constraint(name=name, value=value, words=value),), made).checks
    return only


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("epochs", "3", "kept"),
        ("number of epochs", "5", "broken"),
        ("data set", "handwritten digits", "kept"),
        ("dataset", "digits", "kept"),
        ("dataset", "CIFAR-10", "broken"),
        ("patch size", "2x2", "kept"),
        ("patch size", "4x4", "broken"),
        ("depth", "2", "kept"),
        ("layers", "12", "broken"),
        ("width", "96", "kept"),
        ("attention heads", "8", "broken"),
        ("batch size", "4", "kept"),
        ("learning rate", "1e-3", "kept"),
        ("optimizer", "SGD", "broken"),
        ("metric", "accuracy", "kept"),
        ("metric", "BLEU", "open"),
        ("seed", "1", "open"),
        ("from scratch", "yes", "kept"),
        ("mood", "cheerful", "open"),
    ],
)
def test_each_constraint_is_judged_by_what_code_can_see(name: str, value: str, verdict: str, tmp_path: Path) -> None:
    assert judged(proven(tmp_path), name, value).verdict == verdict


@pytest.mark.parametrize(("steps", "verdict"), [(972, "kept"), (874, "kept"), (324, "broken"), (1620, "broken")])
def test_epochs_are_counted_from_the_steps_that_the_watch_saw(steps: int, verdict: str, tmp_path: Path) -> None:
    made = judged(proven(tmp_path, steps=steps), "epochs", "3")

    assert (made.verdict, f"{steps} steps of 4 over 1295 rows" in made.detail) == (verdict, True)


WATCHED: dict[str, object] = {"steps": 972, "calls": 972, "samples": 3 * 1295, "distinct": 1295, "hyperparameters": {}}
"""Three epochs as the watch sees them, with nothing said of the batch size."""


@pytest.mark.parametrize(
    ("seen", "value", "verdict"),
    [
        ({}, "3", "kept"),
        ({}, "8", "broken"),  # one or three were trained, and eight are claimed
        ({"hyperparameters": {"epochs": "8"}}, "8", "broken"),
        ({"hyperparameters": {"batch_size": "11"}}, "8", "broken"),  # a batch size that is a lie
        ({"samples": 11 * 1295}, "3", "broken"),
        ({"samples": 6 * 1295, "calls": 2 * 972}, "3", "open"),  # two views of each batch
        ({"samples": 2 * 1295}, "3", "broken"),
        ({"samples": 972 * 4, "hyperparameters": {"batch_size": "4"}}, "3", "kept"),
    ],
)
def test_epochs_are_those_that_the_network_saw(
    seen: dict[str, object], value: str, verdict: str, tmp_path: Path
) -> None:
    assert judged(proven(tmp_path, **{**WATCHED, **seen}), "epochs", value).verdict == verdict


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        ({"samples": 1295, "distinct": 1290}, "broken"),  # a sample is a row, and each was seen once
        ({"samples": 300, "distinct": 100}, "open"),  # rows packed into blocks, three times
        ({"samples": 200, "distinct": 100}, "broken"),
        ({"samples": 300, "distinct": 299}, "open"),  # blocks cut at random
    ],
)
def test_text_may_be_packed_into_blocks(seen: dict[str, object], verdict: str, tmp_path: Path) -> None:
    made = proven(tmp_path, **{**WATCHED, "calls": 100, "steps": 100, **seen})
    text = replace(made, dataset=replace(made.dataset, inputs=(Column(name="text", kind="text"),)))

    assert judged(text, "epochs", "3").verdict == verdict


def test_epochs_stay_open_where_the_batch_size_is_unknown(tmp_path: Path) -> None:
    assert judged(proven(tmp_path, hyperparameters={}), "epochs", "3").verdict == "open"


def test_sources_that_load_weights_leave_from_scratch_open(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import torch\nnet.load_state_dict(torch.load('old.pt'))\n", "utf-8")

    assert judged(proven(tmp_path), "from scratch", "yes").verdict == "open"


def journal(*facts: Fact) -> list[Record]:
    opened = Record(seq=0, at=0.0, event=RunStarted(task="3 epochs", system="", model="m", version="0"))
    finished = ToolFinished(call=ToolCall(id="c", name="x"), observation=Observation(text="", facts=facts))
    return [opened, Record(seq=1, at=1.0, event=finished)]


AGREED = ContractAgreed(
    objective="o",
    deliverables=("answer",),
    constraints=(Constraint(name="epochs", value="3", words="3 epochs"),),
)
CHECKED = ContractChecked(
    train_call_id=TRAINED.call_id,
    checks=(Kept(name="epochs", value="3", verdict="broken", detail="1.00 epochs"),),
)
SAID = Departed(point="number of epochs", decision="1", reason="time")


def test_a_broken_point_keeps_a_run_from_ending_and_a_model_from_being_published_until_it_is_said(
    tmp_path: Path,
) -> None:
    silent, said = journal(AGREED, TRAINED, CHECKED), journal(AGREED, TRAINED, CHECKED, SAID)

    def gate(records: list[Record]) -> bool:
        context = ToolContext(run="r", call_id="c", paths=RunPaths(root=tmp_path), records=records)
        return ContractKeptGate().check(ToolCall(id="c", name="publish"), context).passed

    assert [one.name for one in broken(silent)] == ["epochs"]
    assert (gate(silent), gate(said)) == (False, True)
    assert "The sentence fixed epochs 3, but 1.00 epochs." in ContractMet().missing(silent)
    assert ContractMet().missing(said) == []
    assert "record a `departure`" in render(CHECKED, ())
    assert render(CHECKED, (SAID,)) == ""


def test_a_run_that_published_an_older_training_is_judged_by_that_one(tmp_path: Path) -> None:
    good = replace(TRAINED, call_id="older", weights_digest="9" * 64)
    scored = replace(
        evaluated(Bundle(folder=tmp_path, files={}, digest="b")),
        train_call_id="older",
        weights_digest=good.weights_digest,
    )
    sent = Published(
        repository="r", revision="1", url="file:///r", location="folder", bundle_digest=scored.bundle_digest
    )
    owed = replace(AGREED, deliverables=("trained_model", "evaluation", "published_model"))
    before = journal(owed, good, scored, TRAINED, CHECKED)
    context = ToolContext(run="r", call_id="c", paths=RunPaths(root=tmp_path), records=before)
    named = ToolCall(id="c", name="publish", arguments={"training": "older"})

    assert ContractKeptGate().check(named, context).passed
    assert len(ContractMet().missing(before)) == 4
    assert ContractMet().missing(journal(owed, good, scored, TRAINED, CHECKED, sent)) == []


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ("Done: it has an accuracy of 0.998 on the hidden rows.", "'0.998'"),
        ("The accuracy is ninety-nine point eight percent.", "'99.8 percent'"),
        ("Done: an accuracy of 0.975, or 97.5 %, between 0.95 and 0.99.", ""),
        ("With dropout 0.25. The script's self-reported accuracy was 0.998.", ""),
        ("It is trained and evaluated.", ""),
        ("R2 0.4466 [0.2222, 0.5895], baseline -0.01197.", ""),
        ("The r2 is -0.4466.", "'-0.4466'"),
    ],
)
def test_an_answer_with_a_score_that_nobody_measured_does_not_end_a_run(answer: str, refused: str) -> None:
    score = Score(metric="accuracy", value=0.9749, low=0.953, high=0.9868, baseline=0.1003, higher_is_better=True)
    fit = Score(metric="r2", value=0.4466, low=0.2222, high=0.5895, baseline=-0.01197, higher_is_better=True)
    digests = {name: getattr(TRAINED, name) for name in ("weights_digest", "dataset_digest")}
    scored = Evaluated(
        call_id="e",
        train_call_id="t",
        bundle_digest="b",
        split="final",
        rows=359,
        scores=(score, fit),
        environment={},
        **digests,
    )
    said = Record(seq=2, at=2.0, event=ModelReplied(key="1", reply=Reply(text=answer)))

    missing = ContractMet().missing([*journal(replace(AGREED, constraints=()), TRAINED, scored), said])

    measured = "which the runtime did not measure; it measured accuracy 0.9749; r2 0.4466."
    assert missing == ([f"Your answer states {refused}, {measured}"] if refused else [])


def test_a_departure_from_a_fixed_point_is_a_question_and_another_is_none(tmp_path: Path) -> None:
    context = ToolContext(run="r", call_id="c", paths=RunPaths(root=tmp_path), records=journal(AGREED))

    def question(point: str) -> str:
        return fixed_point(ToolCall(id="c", name="departure", arguments={"point": point}), context)

    assert "what the sentence fixed: epochs 3" in question("epochs of training")
    assert question("learning rate") == ""
    assert fixed_point(ToolCall(id="c", name="train", arguments={"point": "epochs"}), context) == ""


@pytest.mark.parametrize(
    ("point", "name", "is_same"),
    [("patch size", "patch size", True), ("layers", "depth", True), ("size of the network", "network", False)],
)
def test_a_departure_is_about_a_constraint_where_they_share_what_it_is(point: str, name: str, is_same: bool) -> None:
    assert concerns(point, Constraint(name=name, value="1", words="1")) == is_same


def agree(tmp_path: Path, task: str, value: str, words: str) -> Observation:
    tool = next(tool for tool in ContractTools() if tool.spec.name == "contract")
    opened = Record(seq=0, at=0.0, event=RunStarted(task=task, system="", model="m", version="0"))
    context = ToolContext(run="r", call_id="c", paths=RunPaths(root=tmp_path), records=[opened])
    fixed = {"name": "epochs", "value": value, "words": words}
    return tool.run(tool.parse({"objective": "o", "deliverables": ["answer"], "constraints": [fixed]}), context)


def test_the_agreed_constraints_are_repeated_and_a_value_must_be_in_its_words(tmp_path: Path) -> None:
    task = "Train for three epochs with 4x4 patches."

    agreed = agree(tmp_path, task, "3", "for three epochs")

    assert 'Fixed by the sentence: epochs 3 ("for three epochs").' in agreed.text
    assert agree(tmp_path, task, "4x4", "4x4 patches").ok
    with pytest.raises(ToolError, match="do not say these values: \\['30'\\]"):
        agree(tmp_path, task, "30", "for three epochs")


@pytest.mark.parametrize(
    ("used", "verdict"), [("{folder}", "kept"), ("{folder}/rows.csv", "kept"), ("sklearn/iris", "broken")]
)
def test_data_that_the_task_names_are_fixed_though_the_contract_forgets_them(
    used: str, verdict: str, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n", "utf-8")
    (tmp_path / "notes").mkdir()
    task = f"Train a network on `{tmp_path}`, as in {tmp_path / 'notes'}, and publish it."

    (held,) = named_data(task, (), replace(DATASET, dataset=used.format(folder=tmp_path)))

    assert (held.verdict, held.value) == (verdict, tmp_path.name)
    assert str(tmp_path.parent) not in held.detail


def test_a_task_that_names_no_data_fixes_none() -> None:
    assert named_data("Train on handwritten digits and save to ./out.", (), DATASET) == ()
    assert [one.verdict for one in named_data("Train on sklearn/wine.", (), DATASET)] == ["broken"]
