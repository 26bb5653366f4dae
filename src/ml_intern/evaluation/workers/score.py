"""Compare predictions with the hidden labels; nothing of the candidate runs here."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from sklearn import metrics

RESAMPLES = 1000
SEED = 0
VALUES_AT_ONCE = 10_000_000


def main() -> None:
    """Answer the request on standard input with one line."""
    request = json.load(sys.stdin)
    truth = json.loads((Path(request["labels"]) / "final.json").read_text("utf-8"))
    score = _classification if request["classes"] else _regression
    labels, predictions = np.asarray(truth["labels"]), np.asarray(request["predictions"])
    answer = {"scores": score(labels, predictions, truth["constant"]), "rows": len(labels), "environment": _machine()}
    with os.fdopen(int(os.environ["ML_INTERN_REPORT_FD"]), "w", encoding="utf-8") as stream:
        stream.write(json.dumps(answer) + "\n")


def _classification(labels: np.ndarray, predictions: np.ndarray, constant: int) -> list[dict]:
    """Score class numbers. labels, predictions: (rows,)."""
    trivial = np.full_like(labels, constant)
    resampled = resampled_classification(labels, predictions)
    functions: dict[str, Callable] = {
        "accuracy": metrics.accuracy_score,
        "balanced_accuracy": _balanced,
        "macro_f1": lambda truth, given: metrics.f1_score(truth, given, average="macro", zero_division=0),
    }
    return [
        _entry(name, function(labels, predictions), resampled[name], function(labels, trivial))
        for name, function in functions.items()
    ]


def _balanced(labels: np.ndarray, predictions: np.ndarray) -> float:
    # Not balanced_accuracy_score: it warns about predicted classes that the labels lack; the value is the same.
    return metrics.recall_score(labels, predictions, labels=np.unique(labels), average="macro", zero_division=0)


def resampled_classification(labels: np.ndarray, predictions: np.ndarray) -> dict[str, np.ndarray]:
    """Score bootstrap resamples of the rows; each result is (resamples,).

    Drawing rows with replacement is drawing cell counts of the confusion matrix from a multinomial distribution,
    and all three metrics are functions of those counts. Source: Efron and Tibshirani 1993, chapter 13 (percentile).
    """
    pairs, counts = np.unique(np.stack([labels, predictions]), axis=1, return_counts=True)  # (2, cells), (cells,)
    size = int(max(labels.max(), predictions.max())) + 1
    generator = np.random.default_rng(SEED)
    drawn = generator.multinomial(len(labels), counts / counts.sum(), size=RESAMPLES).astype(float)  # (draws, cells)
    one_hot = np.eye(size)
    actual = drawn @ one_hot[pairs[0]]  # (draws, classes)
    given = drawn @ one_hot[pairs[1]]  # (draws, classes)
    is_hit = pairs[0] == pairs[1]
    hits = drawn[:, is_hit] @ one_hot[pairs[0][is_hit]]  # (draws, classes)
    present, mentioned = actual > 0, (actual + given) > 0
    recall = hits / np.maximum(actual, 1)
    f1 = 2 * hits / np.maximum(actual + given, 1)
    return {
        "accuracy": hits.sum(1) / len(labels),
        "balanced_accuracy": recall.sum(1) / present.sum(1),
        "macro_f1": f1.sum(1) / mentioned.sum(1),
    }


def _regression(labels: np.ndarray, predictions: np.ndarray, constant: float) -> list[dict]:
    """Score numbers. labels, predictions: (rows,)."""
    trivial = np.full(len(labels), constant)
    resampled = _resampled_regression(labels, predictions)
    functions: dict[str, Callable] = {
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
        "r2": _r2,
    }
    return [
        _entry(name, function(labels, predictions), resampled[name], function(labels, trivial))
        for name, function in functions.items()
    ]


def _r2(labels: np.ndarray, predictions: np.ndarray) -> float:
    return metrics.r2_score(labels, predictions) if len(labels) > 1 else 0.0


def _resampled_regression(labels: np.ndarray, predictions: np.ndarray) -> dict[str, np.ndarray]:
    """Score bootstrap resamples of the rows; each result is (resamples,)."""
    generator = np.random.default_rng(SEED)
    step = max(1, VALUES_AT_ONCE // len(labels))
    pieces = []
    for start in range(0, RESAMPLES, step):
        chosen = generator.integers(len(labels), size=(min(step, RESAMPLES - start), len(labels)))  # (draws, rows)
        truth, error = labels[chosen], (labels - predictions)[chosen]
        mean_square, spread = (error**2).mean(1), truth.var(1)
        r2 = np.where(spread > 0, 1 - mean_square / np.where(spread > 0, spread, 1), 0.0)
        pieces.append(np.stack([np.sqrt(mean_square), np.abs(error).mean(1), r2]))
    rmse, mae, r2 = np.concatenate(pieces, axis=1)
    return {"rmse": rmse, "mae": mae, "r2": r2}


def _entry(metric: str, value: float, resampled: np.ndarray, baseline: float) -> dict:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return {
        "metric": metric,
        "value": float(value),
        # Resamples repeat rows and so lack some; in small parts the value itself can lie outside their quantiles.
        "low": min(float(low), float(value)),
        "high": max(float(high), float(value)),
        "baseline": float(baseline),
    }


def _machine() -> dict[str, str]:
    """Name what computed: versions and processor."""
    found = {"python": platform.python_version(), "cpu": _processor()}
    for package in ("torch", "numpy", "scikit-learn"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
