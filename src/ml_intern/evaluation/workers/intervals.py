"""95 % intervals: Wilson for proportions, bias-corrected and accelerated bootstrap for the rest."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

NORMAL = NormalDist()
Z = NORMAL.inv_cdf(0.975)


def wilson(share: float, rows: float) -> tuple[float, float]:
    """Give the score interval of a proportion; at 0 and 1 it does not collapse. Source: Wilson 1927, JASA 22."""
    middle = (share + Z**2 / (2 * rows)) / (1 + Z**2 / rows)
    half = Z / (1 + Z**2 / rows) * math.sqrt(share * (1 - share) / rows + Z**2 / (4 * rows**2))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return (0.0 if share == 0 else low), (1.0 if share == 1 else high)


def bca(value: float, resampled: np.ndarray, jackknife: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Give the interval that corrects for bias and for a spread that changes with the value.

    Source: Efron 1987, "Better Bootstrap Confidence Intervals", JASA 82.

    Args:
        value: of the metric on all rows.
        resampled: values on resamples, (resamples,).
        jackknife: values without one row each, (kinds of rows,).
        weights: how many rows there are of each kind, (kinds of rows,).
    """
    below = float((resampled < value).mean() + (resampled == value).mean() / 2)
    bias = NORMAL.inv_cdf(min(max(below, 1e-4), 1 - 1e-4))
    mean = float((jackknife * weights).sum() / weights.sum())
    second = float((weights * (mean - jackknife) ** 2).sum())
    third = float((weights * (mean - jackknife) ** 3).sum())
    acceleration = third / (6 * second**1.5) if second > 0 else 0.0
    return tuple(float(np.quantile(resampled, _level(z, bias, acceleration))) for z in (-Z, Z))


def _level(z: float, bias: float, acceleration: float) -> float:
    rest = 1 - acceleration * (bias + z)
    return NORMAL.cdf(bias + (bias + z) / rest) if rest > 0 else (0.0 if z < 0 else 1.0)


def percentile(resampled: np.ndarray) -> tuple[float, float]:
    """Give the middle 95 % of the resamples, (resamples,)."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)


def rows_of_mean_recall(counts: np.ndarray) -> float:
    """Give the rows of one proportion that varies like a mean of recalls. counts: rows of each class, (classes,)."""
    return len(counts) ** 2 / float((1 / counts).sum())
