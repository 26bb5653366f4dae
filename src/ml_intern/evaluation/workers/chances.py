"""Metrics of probabilities: how well they rank, and whether they mean what they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from intervals import percentile, wilson
from sklearn import metrics

RESAMPLES = 200
BINS = 15
"""Of the calibration error. Source: Guo et al. 2017, arXiv 1706.04599."""


def of_chances(labels: np.ndarray, chances: np.ndarray, shares: np.ndarray) -> list[dict]:
    """Score probabilities. labels: (rows,); chances: (rows, classes); shares: of the trivial answer, (classes,)."""
    functions: dict[str, Callable] = {
        "auroc": _auroc,
        "average_precision": _average_precision,
        "log_loss": _log_loss,
        "perplexity": lambda truth, given: float(np.exp(_log_loss(truth, given))),
        "calibration_error": _calibration_error,
    }
    trivial = np.tile(shares, (len(labels), 1))  # (rows, classes)
    generator = np.random.default_rng(0)
    drawn = [generator.integers(len(labels), size=len(labels)) for _ in range(RESAMPLES)]
    return [_entry(name, function, labels, chances, trivial, drawn) for name, function in functions.items()]


def _entry(
    name: str,
    function: Callable,
    labels: np.ndarray,
    chances: np.ndarray,
    trivial: np.ndarray,
    drawn: list[np.ndarray],
) -> dict:
    value = function(labels, chances)
    low, high = percentile(np.array([function(labels[rows], chances[rows]) for rows in drawn]))
    if low == high and name in {"auroc", "average_precision"}:
        low, high = wilson(value, float(np.unique(labels, return_counts=True)[1].min()))
    return {
        "metric": name,
        "value": value,
        "low": min(low, value),
        "high": max(high, value),
        "baseline": function(labels, trivial),
    }


def _log_loss(labels: np.ndarray, chances: np.ndarray) -> float:
    return float(metrics.log_loss(labels, chances, labels=np.arange(chances.shape[1])))


def _one_against_rest(labels: np.ndarray, chances: np.ndarray, function: Callable, none: float) -> float:
    """Average over the classes that both occur and do not; of two classes the second is the positive one."""
    classes = [1] if chances.shape[1] == 2 else range(chances.shape[1])
    truths = [(labels == k, chances[:, k]) for k in classes]
    values = [function(truth, given) for truth, given in truths if 0 < truth.sum() < len(truth)]
    return float(np.mean(values)) if values else none


def _auroc(labels: np.ndarray, chances: np.ndarray) -> float:
    return _one_against_rest(labels, chances, metrics.roc_auc_score, 0.5)


def _average_precision(labels: np.ndarray, chances: np.ndarray) -> float:
    return _one_against_rest(labels, chances, metrics.average_precision_score, 1.0)


def _calibration_error(labels: np.ndarray, chances: np.ndarray) -> float:
    """Give the expected difference of confidence and accuracy over bins of equal width."""
    sure, hit = chances.max(1), chances.argmax(1) == labels  # (rows,), (rows,)
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    size = np.bincount(place, minlength=BINS)
    gap = np.abs(np.bincount(place, sure, BINS) - np.bincount(place, hit, BINS))
    return float(gap[size > 0].sum() / len(labels))
