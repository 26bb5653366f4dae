"""The scorer's numbers agree with the plain definition of what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.inside import run_inside
from ml_intern.core.sandbox import Mount, SandboxBackend
from ml_intern.evaluation.evaluator import WORKERS

pytestmark = pytest.mark.sandbox

COMPARE = """
import sys
sys.path.append("/workers")
import numpy, score
from sklearn import metrics
generator = numpy.random.default_rng(1)
labels = generator.integers(4, size=300)
predictions = numpy.where(generator.random(300) < 0.7, labels, generator.integers(5, size=300))
plain = {"accuracy": [], "balanced_accuracy": [], "macro_f1": []}
for _ in range(1500):
    chosen = generator.integers(300, size=300)
    truth, given = labels[chosen], predictions[chosen]
    plain["accuracy"].append(metrics.accuracy_score(truth, given))
    plain["balanced_accuracy"].append(metrics.recall_score(truth, given, labels=numpy.unique(truth), average="macro"))
    plain["macro_f1"].append(metrics.f1_score(truth, given, average="macro", zero_division=0))
ours = score.resampled_classification(labels, predictions)
report([float(max(abs(numpy.quantile(ours[name], q) - numpy.quantile(values, q)) for q in (0.025, 0.5, 0.975)))
        for name, values in plain.items()])
"""

EDGES = """
import sys
sys.path.append("/workers")
import numpy, score
values = numpy.arange(5.0)
report([[round(entry[key], 6) for key in ("value", "low", "high", "baseline")] for entry in [
    *score._classification(numpy.array([0, 1, 1]), numpy.array([0, 1, 1]), 1),
    *score._classification(numpy.array([2]), numpy.array([0]), 2),
    *score._regression(values, values, 2.0),
    *score._regression(numpy.array([3.0]), numpy.array([4.0]), 3.0)]])
"""


def test_intervals_from_cell_counts_equal_intervals_from_drawn_rows(backend: SandboxBackend, tmp_path: Path) -> None:
    differences = run_inside(backend, COMPARE, Mount(source=WORKERS, target="/workers"), directory=tmp_path / "job")

    assert differences == pytest.approx([0, 0, 0], abs=0.012)


def test_perfect_and_single_rows_have_scores_too(backend: SandboxBackend, tmp_path: Path) -> None:
    scores = run_inside(backend, EDGES, Mount(source=WORKERS, target="/workers"), directory=tmp_path / "job")

    assert scores == [
        [1, 1, 1, 0.666667],
        [1, 1, 1, 0.5],
        [1, 1, 1, 0.4],
        [0, 0, 0, 1],
        [0, 0, 0, 1],
        [0, 0, 0, 1],
        [0, 0, 0, 1.414214],
        [0, 0, 0, 1.2],
        [1, 1, 1, 0],
        [1, 1, 1, 0],
        [1, 1, 1, 0],
        [0, 0, 0, 0],
    ]
