"""No single feature gives the label away.

Source: Kaufman et al., "Leakage in data mining" (2012).
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable

_FEW_ROWS = 30


@check(family="data", cost="moderate", needs=("splits",))
def feature_leak(candidate: Candidate) -> Outcome | None:
    """Look for a feature with a few values, each with one label only."""
    if candidate.contract.task != "classification":
        return not_applicable("only for classification")
    rows = candidate.rows("train")
    label = rows[-1]
    classes = label.unique()
    if label.ndim != 1 or label.is_floating_point() or len(label) < _FEW_ROWS or len(classes) < 3:
        return not_applicable("too few rows or classes to tell, or no class stands last in a row")
    for spec, given in zip(candidate.contract.inputs, candidate.model_inputs(rows), strict=False):
        features = given.reshape(len(given), -1).float()
        for place in range(features.shape[1]):
            if _determines(features[:, place], label, len(classes)):
                return failed(
                    f"element {place} of input {spec.name!r} alone gives the label",
                    where=candidate.place(candidate.module.make_splits),
                    advice="leave out what is made from the label",
                )
    return None


def _determines(feature: torch.Tensor, label: torch.Tensor, classes: int) -> bool:
    values, which = feature.unique(return_inverse=True)
    if not classes <= len(values) <= 2 * classes:
        return False
    return all(len(label[which == number].unique()) == 1 for number in range(len(values)))
