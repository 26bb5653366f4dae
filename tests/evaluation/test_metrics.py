"""The metric that a contract names is found however it is written."""

from __future__ import annotations

import pytest

from ml_intern.core.facts import Score, TaskKind
from ml_intern.evaluation.metrics import find, order


@pytest.mark.parametrize(
    ("task", "name", "found"),
    [
        ("classification", "accuracy", "accuracy"),
        ("classification", "Top-1 accuracy", "accuracy"),
        ("classification", "Balanced Accuracy", "balanced_accuracy"),
        ("classification", "F1 (macro)", "macro_f1"),
        ("classification", "rmse", None),
        ("regression", "RMSE", "rmse"),
        ("regression", "R-squared", "r2"),
        ("regression", "mse", None),
    ],
)
def test_a_metric_is_found_by_its_usual_names(task: TaskKind, name: str, found: str | None) -> None:
    assert find(task, name) == found


def test_the_named_metric_comes_first_and_the_others_keep_their_order() -> None:
    scores = [
        Score(metric=metric, value=0.5, low=0.4, high=0.6, baseline=0.1, higher_is_better=True) for metric in "abc"
    ]

    assert [score.metric for score in order(scores, "b")] == ["b", "a", "c"]
