"""Compare predictions with the hidden labels; nothing of the candidate runs here."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

import numpy as np
from intervals import bca, rows_of_mean_recall, wilson
from leaving import leave
from sklearn import metrics

RESAMPLES = 1000
SEED = 0
TWO = 2
"""Classes of which the second is the positive one."""
VALUES_AT_ONCE = 10_000_000


def main() -> None:
    """Answer the request on standard input with one line."""
    request = json.load(sys.stdin)
    truth = json.loads((Path(request["labels"]) / "final.json").read_text("utf-8"))
    # texts of any length, not all padded to the longest
    kind = object if request["task"] in {"generation", "segmentation"} else None
    labels, predictions = np.asarray(truth["labels"], kind), np.asarray(request["predictions"], kind)
    answer = {
        "scores": _scores(request, labels, predictions, truth["constant"]),
        "rows": len(labels),
        "environment": _machine(),
        "packages": _packages(),
    }
    with os.fdopen(int(os.environ["ML_INTERN_REPORT_FD"]), "w", encoding="utf-8") as stream:
        stream.write(json.dumps(answer) + "\n")
    leave()


def _scores(request: dict, labels: np.ndarray, predictions: np.ndarray, constant: float | str) -> list[dict]:
    """Compute what is asked for. labels, predictions: (rows,)."""
    scores = _of_task(request, labels, predictions, constant)
    if request.get("chances"):
        from chances import of_chances  # noqa: PLC0415 - only where a bundle gives probabilities

        classes = len(request["classes"])
        uniform = np.full(classes, 1 / classes)  # (classes,)
        scores += of_chances(labels, np.asarray(request["chances"]), uniform)
    if request.get("own"):
        from ownmetric import of_own, own  # noqa: PLC0415 - only where a person brings a metric

        scores.append(of_own(own(Path("/metric"), request["own"]), labels, predictions, constant))
    return scores


def _of_task(request: dict, labels: np.ndarray, predictions: np.ndarray, constant: float | str) -> list[dict]:
    """Compute the metrics of the task. labels, predictions: (rows,)."""
    match request["task"]:
        case "classification":
            return _classification(labels, predictions, constant, classes=len(request["classes"]))
        case "generation":
            from generated import of_texts  # noqa: PLC0415 - seconds to import, only where texts were generated

            return of_texts(labels, predictions, constant)
        case "segmentation":
            from overlap import of_masks  # noqa: PLC0415 - only where masks were drawn

            return of_masks(labels, predictions, constant)
        case _:
            return _regression(labels, predictions, constant)


def _classification(labels: np.ndarray, predictions: np.ndarray, constant: int, *, classes: int) -> list[dict]:
    """Score class numbers; of two classes the second is the positive one. labels, predictions: (rows,)."""
    trivial = np.full_like(labels, constant)
    functions: dict[str, Callable] = {
        "accuracy": metrics.accuracy_score,
        "balanced_accuracy": _balanced,
        "macro_f1": lambda truth, given: metrics.f1_score(truth, given, average="macro", zero_division=0),
    }
    if classes == TWO:
        functions["f1"] = lambda truth, given: metrics.f1_score(
            truth, given, labels=[1], average="macro", zero_division=0
        )
    resampled, jackknife, counts = resampled_classification(labels, predictions)
    spread = rows_of_mean_recall(np.unique(labels, return_counts=True)[1])
    entries = []
    for name, function in functions.items():
        value = float(function(labels, predictions))
        if name == "accuracy":
            low, high = wilson(value, len(labels))
        elif np.ptp(resampled[name]) == 0 or value == 1:
            # all resamples of a perfect answer are perfect, or lack a class; its uncertainty is that of a proportion
            low, high = wilson(value, max(1, (labels == 1).sum()) if name == "f1" else spread)
        else:
            low, high = bca(value, resampled[name], jackknife[name], counts)
        # always the positive class: the other constant has an F1 of 0
        constantly = np.ones_like(labels) if name == "f1" else trivial
        entries.append(_entry(name, value, low, high, float(function(labels, constantly))))
    return entries


def _balanced(labels: np.ndarray, predictions: np.ndarray) -> float:
    # Not balanced_accuracy_score: it warns about predicted classes that the labels lack; the value is the same.
    return metrics.recall_score(labels, predictions, labels=np.unique(labels), average="macro", zero_division=0)


def resampled_classification(
    labels: np.ndarray, predictions: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Score bootstrap resamples of the rows, and the rows without one of each kind.

    Drawing rows with replacement is drawing cell counts of the confusion matrix from a multinomial distribution,
    and all metrics are functions of those counts. Source: Efron and Tibshirani 1993, chapter 13.

    Returns:
        By metric: values on resamples, (resamples,), and without one row of a cell, (cells,); rows a cell, (cells,).
    """
    pairs, counts = np.unique(np.stack([labels, predictions]), axis=1, return_counts=True)  # (2, cells), (cells,)
    generator = np.random.default_rng(SEED)
    drawn = generator.multinomial(len(labels), counts / counts.sum(), size=RESAMPLES).astype(float)  # (draws, cells)
    without = np.maximum(counts - np.eye(len(counts)), 0.0)  # (cells, cells)
    return _of_cells(drawn, pairs), _of_cells(without, pairs), counts


def _of_cells(cells: np.ndarray, pairs: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the metrics of confusion matrices. cells: (draws, cells); pairs: label and prediction, (2, cells)."""
    one_hot = np.eye(max(TWO, int(pairs.max()) + 1))
    actual = cells @ one_hot[pairs[0]]  # (draws, classes)
    given = cells @ one_hot[pairs[1]]  # (draws, classes)
    is_hit = pairs[0] == pairs[1]
    hits = cells[:, is_hit] @ one_hot[pairs[0][is_hit]]  # (draws, classes)
    present, mentioned = actual > 0, (actual + given) > 0
    recall = hits / np.maximum(actual, 1)
    f1 = 2 * hits / np.maximum(actual + given, 1)
    return {
        "accuracy": hits.sum(1) / np.maximum(cells.sum(1), 1),
        "balanced_accuracy": recall.sum(1) / np.maximum(present.sum(1), 1),
        "macro_f1": f1.sum(1) / np.maximum(mentioned.sum(1), 1),
        "f1": f1[:, 1],
    }


def _regression(labels: np.ndarray, predictions: np.ndarray, constant: float) -> list[dict]:
    """Score numbers. labels, predictions: (rows,)."""
    trivial = np.full(len(labels), constant)
    resampled, jackknife = _resampled_regression(labels, predictions), _without_one(labels, labels - predictions)
    functions: dict[str, Callable] = {
        "rmse": metrics.root_mean_squared_error,
        "mae": metrics.mean_absolute_error,
        "r2": _r2,
    }
    entries = []
    for name, function in functions.items():
        value = float(function(labels, predictions))
        low, high = bca(value, resampled[name], jackknife[name], np.ones(len(labels)))
        entries.append(_entry(name, value, low, high, float(function(labels, trivial))))
    return entries


def _without_one(labels: np.ndarray, error: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the metrics without each row in turn. labels, error: (rows,); each result: (rows,)."""
    rest = max(1, len(labels) - 1)
    mean_square = np.maximum((error**2).sum() - error**2, 0) / rest
    centred = labels - labels.mean()
    variance = ((centred**2).sum() - centred**2) / rest - (centred / rest) ** 2
    r2 = np.where(variance > 0, 1 - mean_square / np.where(variance > 0, variance, 1), 0.0)
    return {"rmse": np.sqrt(mean_square), "mae": (np.abs(error).sum() - np.abs(error)) / rest, "r2": r2}


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


def _entry(metric: str, value: float, low: float, high: float, baseline: float) -> dict:
    # Resamples repeat rows and so lack some; in small parts the value itself can lie outside their quantiles.
    return {"metric": metric, "value": value, "low": min(low, value), "high": max(high, value), "baseline": baseline}


def _machine() -> dict[str, str]:
    """Name what computed: versions and processor."""
    found = {"python": platform.python_version(), "cpu": _processor()}
    for package in ("torch", "numpy", "scikit-learn"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def _packages() -> list[str]:
    """Lock the environment: every installed distribution with its version."""
    return sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions() if d.metadata["Name"]})


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
