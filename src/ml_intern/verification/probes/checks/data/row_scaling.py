"""Features with units of their own are scaled column by column, not row by row.

Where each row has mean 0 and deviation 1 over its features, the feature with the largest unit decides what all the
others look like. Windows of one series, or pixels, have one unit and are rightly scaled by row.

Source: scikit-learn documentation, "Preprocessing data": scaling works on features.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.raw_rows import columns_of

_FEATURES = (4, 512)
_UNITS = 10.0
"""Ratio of the largest deviation of a raw column to the smallest."""
_NEAR = 0.02


@check(family="data", cost="cheap", needs=("raw",))
def row_scaling(candidate: Candidate) -> Outcome | None:
    """Compare rows of the training part with the raw columns they come from."""
    raws = [column for column in columns_of(candidate.raw) if column.is_floating_point() and column.ndim == 2]
    asked = 0
    rows = candidate.rows("train")
    if len(rows) < len(candidate.contract.batch):
        return not_applicable("rows of the data are not yet what model_inputs takes: the loop makes the rest")
    for spec, given in zip(candidate.contract.inputs, candidate.model_inputs(rows), strict=False):
        if not given.is_floating_point() or given.ndim != 2 or not _FEATURES[0] <= given.shape[1] <= _FEATURES[1]:
            continue
        raw = next((column for column in raws if column.shape[1] == given.shape[1]), None)
        if raw is None or not bool(raw.isfinite().all()):
            continue
        asked += 1
        spreads = raw.std(0)
        if spreads.max() > _UNITS * spreads.min() > 0 and _is_by_row(given):
            return failed(
                f"input {spec.name!r} is scaled over each row, and its raw columns have deviations from "
                f"{spreads.min():.3g} to {spreads.max():.3g}",
                where=candidate.place(candidate.module.make_splits),
                advice="mean and deviation of each column of the training part: x.mean(dim=0)",
            )
    return None if asked else not_applicable("no table of raw numbers")


def _is_by_row(given: torch.Tensor) -> bool:
    return bool(given.mean(1).abs().max() < _NEAR) and bool((given.std(1) - 1).abs().max() < 0.2)
