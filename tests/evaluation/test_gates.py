"""Publishing waits for a score of exactly the weights that were trained last."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ml_intern.core.events import Record, ToolFinished
from ml_intern.core.facts import Evaluated, Fact, Score, Trained
from ml_intern.core.messages import Observation, ToolCall
from ml_intern.core.protocols import RunPaths, ToolContext, Verdict
from ml_intern.evaluation.gates import EvaluatedGate

CALL = ToolCall(id="c9", name="publish")


def trained(weights: str, call_id: str = "c1") -> Trained:
    return Trained(
        call_id=call_id,
        source_digest="s",
        script_digest="t",
        weights_digest=weights,
        dataset_digest="d",
        hyperparameters={},
        reported={"accuracy": 1.0},
        steps=10,
        optimizer="Adam",
        last_loss=0.1,
        seconds=1.0,
        device="cpu",
    )


def evaluated(weights: str) -> Evaluated:
    score = Score(metric="accuracy", value=0.9, low=0.8, high=0.95, baseline=0.1, higher_is_better=True)
    return Evaluated(
        call_id="c5",
        train_call_id="c1",
        bundle_digest="b",
        weights_digest=weights,
        dataset_digest="d",
        split="final",
        rows=100,
        scores=(score,),
        environment={},
    )


def verdict(*facts: Fact, training: str = "") -> Verdict:
    records = [
        Record(
            seq=n,
            at=0.0,
            event=ToolFinished(call=ToolCall(id=f"c{n}", name="x"), observation=Observation(text="", facts=(fact,))),
        )
        for n, fact in enumerate(facts)
    ]
    context = ToolContext(run="r", call_id="c9", paths=RunPaths(root=Path("/none")), records=records)
    return EvaluatedGate().check(replace(CALL, arguments={"training": training}), context)


def test_weights_that_were_scored_may_be_published() -> None:
    assert verdict(trained("w1"), evaluated("w1")) == Verdict(
        passed=True, reason="the weights of training c1 were evaluated"
    )


def test_nothing_trained_may_not_be_published() -> None:
    assert not verdict().passed


def test_what_a_script_reports_of_itself_is_no_evaluation() -> None:
    refused = verdict(trained("w1"))

    assert not refused.passed
    assert "call evaluate first" in refused.reason


def test_a_training_after_the_evaluation_needs_its_own() -> None:
    assert not verdict(trained("w1"), evaluated("w1"), trained("w2", "c7")).passed


def test_scores_of_an_older_training_do_not_count_for_the_newest() -> None:
    assert not verdict(trained("w1"), trained("w2"), evaluated("w1")).passed


def test_an_older_training_that_was_evaluated_may_be_published_by_its_name() -> None:
    refused = verdict(trained("w1"), evaluated("w1"), trained("w2", "c7"))

    assert 'or publish another that was (training="c1")' in refused.reason
    assert verdict(trained("w1"), evaluated("w1"), trained("w2", "c7"), training="c1").passed


def test_a_named_training_needs_an_evaluation_of_its_own_though_the_newest_has_one() -> None:
    refused = verdict(trained("w2", "c0"), trained("w1"), evaluated("w1"), training="c0")

    assert "the weights of training (c0) were not evaluated" in refused.reason


def test_a_training_that_is_not_there_is_refused_with_those_that_are() -> None:
    assert verdict(trained("w1"), evaluated("w1"), training="c8").reason == "no training 'c8' ended well; trainings: c1"
