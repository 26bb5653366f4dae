"""What the two jobs report is believed only where it fits the data set."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_intern.core.errors import SandboxError
from ml_intern.core.facts import Column, DatasetPrepared, Score, TaskKind
from ml_intern.evaluation.report import Failure, Predictions, read_predictions, read_scored, render, scores_of

CLASSES = DatasetPrepared(
    dataset="sklearn/digits",
    revision="r",
    digest="d",
    task="classification",
    inputs=(Column(name="image", kind="image"),),
    target="label",
    classes=("cat", "dog"),
    rows={"search": 6, "selection": 2, "final": 3},
    seed=0,
)
NUMBERS = replace(CLASSES, task="regression", classes=())


def entry(metric: str, value: float = 0.5, **other: float) -> dict[str, object]:
    return {"metric": metric, "value": value, "low": 0.4, "high": 0.6, "baseline": 0.3, **other}


def scored(*entries: dict[str, object], rows: int = 3) -> str:
    return json.dumps({"scores": entries, "rows": rows, "environment": {"python": "3.11"}})


GOOD = (entry("accuracy"), entry("balanced_accuracy"), entry("macro_f1"), entry("f1"))


def test_predictions_arrive_in_pieces() -> None:
    lines = ['{"predictions": [0, 1]}', '{"predictions": [1]}', '{"rows": 3}']

    assert read_predictions(lines, CLASSES) == Predictions(values=(0, 1, 1))


@pytest.mark.parametrize("value", [2, -1, True, 0.0, "cat", None, [0], float("nan"), 1e400])
def test_what_is_no_class_of_the_data_set_is_refused(value: object) -> None:
    lines = [json.dumps({"predictions": [0, 1, value]}), '{"rows": 3}']

    assert read_predictions(lines, CLASSES) == Failure(
        reason="the bundle gave predictions of a wrong type or out of range", code="out_of_range"
    )


@pytest.mark.parametrize(
    ("task", "value", "is_fine"),
    [
        ("generation", "", True),
        ("generation", "a" * 4000, True),
        ("generation", "a" * 4001, False),
        ("generation", 1.0, False),
        ("generation", None, False),
        ("segmentation", "2x3:0*4,7*2", True),
        ("segmentation", "2x3:0*4,7*3", False),
        ("segmentation", "0x3:0*0", False),
        ("segmentation", "9999x9999:0*9999,0*9999", False),
        ("segmentation", "2x3:0*4,__import__", False),
        ("segmentation", [[0, 1]], False),
    ],
)
def test_texts_and_masks_are_believed_where_they_have_their_form(task: TaskKind, value: object, is_fine: bool) -> None:
    first = "0" if task == "generation" else "1x1:0*1"
    lines = [json.dumps({"predictions": [first, first, value]}), '{"rows": 3}']

    assert isinstance(read_predictions(lines, replace(NUMBERS, task=task)), Predictions) == is_fine


@pytest.mark.parametrize("value", [1, True, "1.0", None, float("nan"), float("inf"), -1e200, [1.0]])
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    lines = [json.dumps({"predictions": [0.5, 1.5, value]}), '{"rows": 3}']

    assert isinstance(read_predictions(lines, NUMBERS), Failure)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ['{"predictions": [0, 1, 1]}'],
        ['{"predictions": [0, 1]}', '{"rows": 2}'],
        ['{"predictions": [0, 1, 1, 0]}', '{"rows": 4}'],
        ['{"predictions": 3}', '{"rows": 3}'],
    ],
)
def test_a_report_that_does_not_answer_every_row_is_refused(lines: list[str]) -> None:
    refused = read_predictions(lines, CLASSES)

    assert isinstance(refused, Failure)
    assert refused.reason.endswith("predictions for 3 rows")


@given(st.lists(st.one_of(st.text(), st.sampled_from(["[" * 9999, "9" * 9999, "null", "[]", '{"predictions": {}}']))))
def test_no_line_breaks_the_reading(lines: list[str]) -> None:
    assert isinstance(read_predictions(lines, CLASSES), Failure)


def test_the_workers_explanation_is_handed_on() -> None:
    said = '{"error": "no config.json", "code": "unfit"}'

    assert read_predictions([said], CLASSES) == Failure(reason="no config.json", code="unfit")


def test_a_failure_is_named_by_a_code_of_ours_whatever_the_bundle_says() -> None:
    said = '{"error": "no", "code": "the first hidden row is 0.25"}'

    assert read_predictions([said], CLASSES) == Failure(reason="no", code="raised")


def test_the_ends_of_a_range_are_written_as_a_journal_reads_them() -> None:
    line = scored(entry("rmse", 0.5), entry("mae", 0.5), entry("r2", 0.5))

    scores = scores_of(read_scored([line], NUMBERS), NUMBERS)

    assert [repr(score.least) for score in scores] == ["0.0", "0.0", "None"]
    assert [repr(score.most) for score in scores] == ["None", "None", "1.0"]


def test_scores_are_read_with_our_own_view_of_what_is_better() -> None:
    line = scored(entry("rmse", 0.5), entry("mae", 0.5), entry("r2", 0.5))

    scores = scores_of(read_scored([line], NUMBERS), NUMBERS)

    assert [score.higher_is_better for score in scores] == [False, False, True]
    assert scores[0] == Score(
        metric="rmse", value=0.5, low=0.4, high=0.6, baseline=0.3, higher_is_better=False, least=0
    )


@pytest.mark.parametrize(
    "line",
    [
        scored(*GOOD, rows=4),
        scored(*GOOD[:2]),
        scored(*GOOD[::-1]),
        scored(entry("accuracy", 1.2, high=1.3), *GOOD[1:]),
        scored(entry("accuracy", 0.7), *GOOD[1:]),
        scored(entry("accuracy", baseline=-0.1), *GOOD[1:]),
        scored(entry("accuracy", float("nan")), *GOOD[1:]),
        scored({**GOOD[0], "value": "0.5"}, *GOOD[1:]),
        scored({**GOOD[0], "extra": 1}, *GOOD[1:]),
        "[]",
        "",
    ],
)
def test_scores_that_cannot_be_are_refused(line: str) -> None:
    with pytest.raises(SandboxError, match="the scorer's report"):
        read_scored([line], CLASSES)


def test_two_reports_of_a_scorer_are_refused() -> None:
    with pytest.raises(SandboxError, match="the scorer's report"):
        read_scored([scored(*GOOD), scored(*GOOD)], CLASSES)


def test_the_text_says_when_a_network_is_no_better_than_guessing() -> None:
    good = Score(metric="accuracy", value=0.5, low=0.4, high=0.6, baseline=0.3, higher_is_better=True)
    poor = replace(good, baseline=0.45)
    error = Score(metric="rmse", value=2.0, low=1.0, high=3.0, baseline=2.5, higher_is_better=False)

    assert "accuracy 0.5 [0.4, 0.6], baseline 0.3" in render([good], CLASSES)
    assert "not been shown to learn" not in render([good], CLASSES)
    assert "not been shown to learn" in render([poor], CLASSES)
    assert "not been shown to learn" in render([error], NUMBERS)
