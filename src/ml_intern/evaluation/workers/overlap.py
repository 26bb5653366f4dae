"""Metrics of masks: mean IoU and pixel accuracy, over all pixels of all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from intervals import bca, wilson
from masks import read
from sklearn.metrics import confusion_matrix

RESAMPLES = 1000
_NO_CLASS = -1
"""Stands for every class that no label has, and for all pixels of a mask of another size."""


def of_masks(labels: Sequence[str], predictions: Sequence[str], constant: int) -> list[dict]:
    """Score masks; the baseline gives every pixel the class `constant`. labels, predictions: (rows,)."""
    truths = [read(text) for text in labels]
    classes = np.unique(np.concatenate([np.unique(mask) for mask in truths]))
    given = [_fitted(read(text), truth) for text, truth in zip(predictions, truths, strict=True)]
    own = _confused(truths, given, classes)
    trivial = _confused(truths, [np.full_like(truth, constant) for truth in truths], classes)
    generator = np.random.default_rng(0)
    drawn = [generator.integers(len(own), size=len(own)) for _ in range(RESAMPLES)]
    return [
        _entry("mean_iou", own, trivial, _mean_iou, drawn),
        _entry("pixel_accuracy", own, trivial, _pixel_accuracy, drawn),
    ]


def _fitted(given: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return given if given.shape == truth.shape else np.full_like(truth, _NO_CLASS)


def _confused(truths: Sequence[np.ndarray], given: Sequence[np.ndarray], classes: np.ndarray) -> np.ndarray:
    """Count pixels by class and predicted class, which is the last where no label has it; (rows, classes, classes)."""
    places = [*classes, _NO_CLASS]
    return np.array(
        [
            confusion_matrix(truth.ravel(), np.where(np.isin(mask, classes), mask, _NO_CLASS).ravel(), labels=places)
            for truth, mask in zip(truths, given, strict=True)
        ]
    )


def _entry(name: str, own: np.ndarray, trivial: np.ndarray, total: Callable, drawn: list[np.ndarray]) -> dict:
    """Score with `total` of summed counts; rows are drawn, not pixels. own, trivial: (rows, classes, classes)."""
    whole = own.sum(0)
    value = total(whole)
    if value in {0.0, 1.0}:
        low, high = wilson(value, len(own))
    else:
        resampled = np.array([total(own[rows].sum(0)) for rows in drawn])
        without = np.array([total(whole - one) for one in own])
        low, high = bca(value, resampled, without, np.ones(len(own)))
    baseline = total(trivial.sum(0))
    return {"metric": name, "value": value, "low": min(low, value), "high": max(high, value), "baseline": baseline}


def _mean_iou(counts: np.ndarray) -> float:
    """Give the mean over the classes that labels have. Source: Everingham et al. 2015, IJCV 111, section 4.3."""
    hits, actual, given = np.diag(counts), counts.sum(1), counts.sum(0)
    there = actual > 0
    return float((hits[there] / (actual + given - hits)[there]).mean()) if there.any() else 0.0


def _pixel_accuracy(counts: np.ndarray) -> float:
    return float(np.diag(counts).sum() / max(1, counts.sum()))
