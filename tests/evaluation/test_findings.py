"""What forbids publishing: predictions of nothing, weights of nobody, claims beyond chance; and never an honest run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ml_intern.core.facts import Column, DatasetPrepared, Evaluated, Finding, Score, Trained
from ml_intern.core.messages import ToolCall
from ml_intern.core.protocols import RunPaths, ToolContext
from ml_intern.evaluation.findings import OnSearch, examine, is_doubtful, overclaims
from ml_intern.evaluation.gates import EvaluatedGate
from publishing.samples import TRAINED, journal

DATA = DatasetPrepared(
    dataset="x",
    revision="r",
    digest="d",
    task="classification",
    inputs=(Column(name="a", kind="number"),),
    target="y",
    classes=("no", "yes"),
    rows={"search": 700, "selection": 100, "final": 200},
    seed=0,
)
NUMBERS = replace(DATA, task="regression", classes=())
ACCURACY = Score(metric="accuracy", value=0.8, low=0.74, high=0.85, baseline=0.5, higher_is_better=True)
F1 = Score(metric="f1", value=0.4, low=0.3, high=0.5, baseline=0.4, higher_is_better=True)
MACRO_F1 = Score(metric="macro_f1", value=0.65, low=0.55, high=0.75, baseline=0.4, higher_is_better=True)
BLEU = Score(metric="bleu", value=20.0, low=17.0, high=23.0, baseline=0.5, higher_is_better=True)
TEXTS = replace(DATA, task="generation", classes=())
RMSE = Score(metric="rmse", value=4.0, low=3.5, high=4.5, baseline=8.0, higher_is_better=False)
R2 = Score(metric="r2", value=0.75, low=0.7, high=0.8, baseline=0.0, higher_is_better=True)
SOUND = {"matrices": 2.0, "constant_matrices": 0.0, "relative_change": 0.3, "fixed_tensors": 2.0}


def claimed(**reported: float) -> Trained:
    return replace(TRAINED, reported=reported)


def names(found: tuple[Finding, ...]) -> list[str]:
    return [finding.name for finding in found]


def test_a_sound_network_whose_rows_differ_gives_no_finding() -> None:
    assert examine([0, 1, 1, 0, 1, 0], {**SOUND, "fixed_unchanged": 1.0, "ignored_weights": 0.0}) == ()


@pytest.mark.parametrize(
    ("predictions", "figures", "name"),
    [
        ([1] * 30, SOUND, "constant_predictions"),
        ([3.25] * 30, SOUND, "constant_predictions"),
        ([0, 1] * 9, {**SOUND, "ignored_weights": 1.0}, "ignored_weights"),
        ([0, 1] * 9, {**SOUND, "not_finite": 3.0}, "weights_not_finite"),
        ([0, 1] * 9, {**SOUND, "constant_matrices": 2.0}, "constant_weights"),
        ([0, 1] * 9, {**SOUND, "relative_change": 0.0}, "untrained_weights"),
        ([0, 1] * 9, {**SOUND, "fixed_unchanged": 2.0}, "untrained_weights"),
    ],
)
def test_a_network_that_did_nothing_is_named(predictions: list[float], figures: Mapping[str, float], name: str) -> None:
    assert [(finding.name, finding.refuses) for finding in examine(predictions, figures)] == [(name, True)]


def test_a_handful_of_equal_predictions_says_nothing() -> None:
    assert examine([1, 1, 1], SOUND) == ()


@pytest.mark.parametrize(
    "reported",
    [
        {"accuracy": 0.99},
        {"test_accuracy": 99.0},
        {"best_selection_acc": 0.99},
        {"val/accuracy": 0.99},
        {"accuracy_test": 0.99},
        {"Top-1 accuracy": 0.99},
    ],
)
def test_a_claim_beyond_chance_is_found_however_it_is_named(reported: dict[str, float]) -> None:
    (found,) = overclaims(claimed(**reported), [ACCURACY], DATA)

    assert (found.name, found.refuses) == ("overclaim", True)
    assert "0.8 [0.74, 0.85]" in found.detail


@pytest.mark.parametrize(
    "reported",
    [
        {"accuracy": 0.1},
        {"accuracy": 0.85},
        {"selection_accuracy": 0.9},
        {"train_accuracy": 1.0},
        {"search_accuracy": 1.0},
        {"final_loss": 0.001},
        {"top3": 0.999},
        {"accuracy": 80.0},
        {"epochs": 3.0},
    ],
)
def test_a_modest_a_noisy_or_another_figure_is_no_claim(reported: dict[str, float]) -> None:
    assert overclaims(claimed(**reported), [ACCURACY], DATA) == ()


def test_a_share_tells_by_its_denominator_how_many_rows_it_was_measured_on() -> None:
    few = replace(DATA, rows={"search": 288, "selection": 32, "final": 80})
    measured = replace(ACCURACY, value=0.7, low=0.59, high=0.79)

    # 269 of 288 rows: all that the script has labels of, on which such a difference is no chance
    assert names(overclaims(claimed(test_accuracy=269 / 288), [measured], few)) == ["overclaim"]
    # 29 of 31 rows, and a rounded share that may be of as few, are within it
    assert overclaims(claimed(test_accuracy=29 / 31), [measured], few) == ()
    assert overclaims(claimed(test_accuracy=0.934), [measured], few) == ()


def test_a_doubtful_share_is_held_against_the_rows_of_search_too() -> None:
    few = replace(DATA, rows={"search": 288, "selection": 32, "final": 80})
    measured = replace(ACCURACY, value=0.675, low=0.56, high=0.77)
    claim = claimed(test_accuracy=1.0)

    def on_search(value: float) -> OnSearch:
        return OnSearch(scores=(replace(measured, value=value),), rows=288)

    assert is_doubtful(claim, [measured], few)
    assert overclaims(claim, [measured], few) == ()
    # neither on the rows that the script has labels of, nor on the final ones: it measured on labels of its own
    assert names(overclaims(claim, [measured], few, on_search(0.58))) == ["overclaim"]
    assert overclaims(claim, [measured], few, on_search(0.9)) == ()
    assert not is_doubtful(claimed(test_accuracy=0.8), [measured], few)
    assert not is_doubtful(claimed(train_accuracy=1.0), [measured], few)


def test_an_error_is_a_claim_where_it_is_too_small_in_its_own_unit() -> None:
    scores = [RMSE, R2]

    assert names(overclaims(claimed(rmse=0.01), scores, NUMBERS)) == ["overclaim"]
    assert names(overclaims(claimed(r2=0.99), scores, NUMBERS)) == ["overclaim"]
    # half of the target's standard deviation of 8: the same error in another unit
    assert overclaims(claimed(rmse=0.5), scores, NUMBERS) == ()
    assert overclaims(claimed(rmse=3.9, r2=0.7), scores, NUMBERS) == ()


def test_a_nearly_perfect_claim_is_found_where_the_measured_value_is_uncertain() -> None:
    """An R² of .72 [.64, .79] on 81 rows and .999 on 36 are four errors of .72 apart, and twenty of .999."""
    uncertain = (replace(RMSE, value=6.0, low=4.95, high=7.7), replace(R2, value=0.719, low=0.643, high=0.787))
    few = replace(NUMBERS, rows={**NUMBERS.rows, "final": 81, "selection": 36})

    assert names(overclaims(claimed(r2=0.999), uncertain, few)) == ["overclaim"]
    assert names(overclaims(claimed(r2=1.0), uncertain, few)) == ["overclaim"]
    assert names(overclaims(claimed(rmse=2.0), uncertain, few)) == ["overclaim"]
    assert overclaims(claimed(r2=0.85, rmse=4.2), uncertain, few) == ()


def test_f1_without_more_may_be_any_of_the_f1_scores_that_were_measured() -> None:
    scores = [ACCURACY, MACRO_F1, F1]

    assert overclaims(claimed(f1=0.66), scores, DATA) == ()  # an average over classes
    assert overclaims(claimed(f1=0.81), scores, DATA) == ()  # weighted by their rows, or micro
    assert names(overclaims(claimed(f1=0.99), scores, DATA)) == ["overclaim"]
    assert names(overclaims(claimed(binary_f1=0.81), scores, DATA)) == ["overclaim"]


def test_a_score_of_texts_is_a_claim_in_its_own_unit() -> None:
    assert names(overclaims(claimed(test_bleu=45.0), [BLEU], TEXTS)) == ["overclaim"]
    assert overclaims(claimed(bleu=0.2, bleu_percent=21.0), [BLEU], TEXTS) == ()


def test_texts_that_are_all_the_same_are_found_too() -> None:
    (found,) = examine(["a cat"] * 30, SOUND)

    assert (found.name, found.refuses) == ("constant_predictions", True)
    assert examine(["a cat", "a dog"] * 9, SOUND) == ()


def test_a_model_with_a_finding_is_not_published_and_is_told_why() -> None:
    scored = Evaluated(
        call_id="e",
        train_call_id=TRAINED.call_id,
        bundle_digest="b",
        weights_digest=TRAINED.weights_digest,
        dataset_digest="d",
        split="final",
        rows=200,
        scores=(ACCURACY,),
        environment={},
        findings=(
            Finding(name="seed_unused", detail="it has no seed.", refuses=False),
            Finding(name="constant_predictions", detail="it says one thing.", refuses=True),
        ),
    )

    def verdict(fact: Evaluated) -> tuple[bool, str]:
        context = ToolContext(
            run="r", call_id="c", paths=RunPaths(root=Path("/nonexistent")), records=journal(TRAINED, fact)
        )
        judged = EvaluatedGate().check(ToolCall(id="c", name="publish"), context)
        return judged.passed, judged.reason

    assert verdict(scored) == (False, "this model cannot be published: it says one thing.")
    assert verdict(replace(scored, findings=scored.findings[:1]))[0]
