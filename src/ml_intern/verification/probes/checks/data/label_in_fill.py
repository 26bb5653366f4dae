"""What missing values are filled with does not say which class a row has.

A column of numbers that mostly differ, with a few that come again and again, was filled; where each of these comes with
one label only, by so many rows that chance cannot be, it was filled by label.

Source: Kaufman et al., "Leakage in data mining" (2012); scikit-learn documentation, "Common pitfalls".
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable

_FEW_ROWS = 50
_REPEATED = 0.005
"""Share of rows above which a number that comes again is taken for a filling."""
_DISTINCT = 0.3
_CHANCE = 1e-6


@check(family="data", cost="moderate", needs=("splits",))
def label_in_fill(candidate: Candidate) -> Outcome | None:
    """Look at the columns of numbers in the training part."""
    candidate.task_in("classification", "binary")
    rows = candidate.rows("train")
    label = rows[-1]
    if label.ndim != 1 or len(label) < _FEW_ROWS or len(label.unique()) > len(label) // 10:
        return not_applicable("too few rows, or no classes")
    for spec, given in zip(candidate.contract.inputs, candidate.model_inputs(rows), strict=False):
        if not given.is_floating_point() or given.ndim != 2:
            continue
        for place in range(given.shape[1]):
            if _is_filled_by_label(given[:, place], label):
                return failed(
                    f"column {place} of input {spec.name!r} holds numbers that come again and again, each with one "
                    "label only: missing values were filled by class",
                    where=candidate.place(candidate.module.make_splits),
                    advice="fill with a statistic of all training rows, whatever their class",
                )
    return None


def _is_filled_by_label(column: torch.Tensor, label: torch.Tensor) -> bool:
    values, which, counts = column.unique(return_inverse=True, return_counts=True)
    often = (counts > max(10, _REPEATED * len(column))).nonzero().flatten()
    if len(values) < _DISTINCT * len(column) or len(often) < 2:
        return False
    labels = [label[which == number].unique() for number in often]
    if any(len(found) > 1 for found in labels) or len({int(found[0]) for found in labels}) < 2:
        return False
    shares = [
        float((label == found[0]).float().mean()) ** int(counts[n]) for n, found in zip(often, labels, strict=True)
    ]
    return min(shares) < _CHANCE
