"""The person's own metric: a function of labels and predictions, in a file of theirs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
from intervals import percentile

RESAMPLES = 200


def own(folder: Path, name: str) -> Callable:
    """Load the function `name` of the one file in `folder`."""
    (file,) = sorted(folder.glob("*.py"))
    spec = importlib.util.spec_from_file_location("own_metric", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def of_own(function: Callable, labels: np.ndarray, predictions: np.ndarray, constant: float) -> dict:
    """Score with `function(labels, predictions)`; `higher_is_better` may be an attribute of it, else it is True."""
    generator = np.random.default_rng(0)
    drawn = (generator.integers(len(labels), size=len(labels)) for _ in range(RESAMPLES))
    value = float(function(labels, predictions))
    low, high = percentile(np.array([float(function(labels[rows], predictions[rows])) for rows in drawn]))
    return {
        "metric": function.__name__,
        "value": value,
        "low": min(low, value),
        "high": max(high, value),
        "baseline": float(function(labels, np.full_like(predictions, constant))),
        "higher_is_better": bool(getattr(function, "higher_is_better", True)),
    }
