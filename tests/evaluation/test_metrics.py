"""The metric that a contract names is found however it is written."""

from __future__ import annotations

import pytest

from ml_intern.core.facts import Column, DatasetPrepared, Score, TaskKind
from ml_intern.evaluation.metrics import find, metrics_of, order

CLASSES = {"classification": ("no", "yes", "perhaps")}


def data(task: TaskKind, *classes: str) -> DatasetPrepared:
    return DatasetPrepared(
        dataset="x",
        revision="r",
        digest="d",
        task=task,
        inputs=(Column(name="a", kind="text"),),
        target="y",
        classes=classes or CLASSES.get(task, ()),
        rows={"search": 700, "selection": 100, "final": 200},
        seed=0,
    )


@pytest.mark.parametrize(
    ("task", "name", "found"),
    [
        ("classification", "accuracy", "accuracy"),
        ("classification", "Top-1 accuracy", "accuracy"),
        ("classification", "Balanced Accuracy", "balanced_accuracy"),
        ("classification", "F1 (macro)", "macro_f1"),
        ("classification", "F1", "macro_f1"),
        ("classification", "micro F1", "accuracy"),
        ("classification", "rmse", None),
        ("regression", "RMSE", "rmse"),
        ("regression", "R-squared", "r2"),
        ("regression", "mse", None),
        ("generation", "Exact Match", "exact_match"),
        ("generation", "accuracy", "exact_match"),
        ("generation", "BLEU", "bleu"),
        ("generation", "ROUGE-L", "rouge_l"),
        ("generation", "ROUGE", "rouge_l"),
        ("generation", "F1", None),
        ("segmentation", "mIoU", "mean_iou"),
        ("segmentation", "IoU", "mean_iou"),
        ("segmentation", "accuracy", "pixel_accuracy"),
    ],
)
def test_a_metric_is_found_by_its_usual_names(task: TaskKind, name: str, found: str | None) -> None:
    assert find(data(task), name) == found


def test_f1_of_two_classes_is_that_of_the_second_which_is_named() -> None:
    two = data("classification", "ham", "spam")

    assert (find(two, "F1"), find(two, "F1 score"), find(two, "macro F1")) == ("f1", "f1", "macro_f1")
    assert metrics_of(two)["f1"].label == 'F1 of "spam"'
    assert "f1" not in metrics_of(data("classification"))


def test_the_named_metric_comes_first_and_the_others_keep_their_order() -> None:
    scores = [
        Score(metric=metric, value=0.5, low=0.4, high=0.6, baseline=0.1, higher_is_better=True) for metric in "abc"
    ]

    assert [score.metric for score in order(scores, "b")] == ["b", "a", "c"]
