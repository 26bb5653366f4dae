"""The metrics that the runtime computes: their names, ranges, directions and order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_intern.core.facts import Score, TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric with the closed range of its values."""

    label: str
    least: float
    most: float
    higher_is_better: bool
    aliases: tuple[str, ...]


_INFINITY = float("inf")

METRICS: Mapping[TaskKind, Mapping[str, Metric]] = {
    "classification": {
        "accuracy": Metric(
            label="accuracy", least=0, most=1, higher_is_better=True, aliases=("acc", "top1", "top1accuracy")
        ),
        "balanced_accuracy": Metric(
            label="balanced accuracy", least=0, most=1, higher_is_better=True, aliases=("macrorecall",)
        ),
        "macro_f1": Metric(
            label="macro F1", least=0, most=1, higher_is_better=True, aliases=("f1", "f1score", "f1macro")
        ),
    },
    "regression": {
        "rmse": Metric(
            label="RMSE", least=0, most=_INFINITY, higher_is_better=False, aliases=("rootmeansquarederror",)
        ),
        "mae": Metric(label="MAE", least=0, most=_INFINITY, higher_is_better=False, aliases=("meanabsoluteerror",)),
        "r2": Metric(label="R2", least=-_INFINITY, most=1, higher_is_better=True, aliases=("rsquared", "r2score")),
    },
}
"""Every metric of each task; the first is the default."""


def find(task: TaskKind, name: str) -> str | None:
    """Give the metric of `task` that `name` means, however it is written; None where none does."""
    wanted = re.sub(r"[^a-z0-9]", "", name.lower())
    for known, metric in METRICS[task].items():
        if wanted in {re.sub(r"[^a-z0-9]", "", known), *metric.aliases}:
            return known
    return None


def order(scores: Sequence[Score], first: str | None) -> tuple[Score, ...]:
    """Put the metric called `first` at the head and keep the rest as it is."""
    return tuple(sorted(scores, key=lambda score: score.metric != first))
