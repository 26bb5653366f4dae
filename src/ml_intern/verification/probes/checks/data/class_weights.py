"""Weights of classes make up for their numbers, and do not repeat them: the rarer class weighs more.

Weights are read from the gradient at equal logits. Only where they are in proportion to the numbers of rows, as when
counts were taken for their inverse, is anything said: costs may have reasons of their own.

Source: King and Zeng, "Logistic regression in rare events data" (2001); `pos_weight` of PyTorch's BCEWithLogitsLoss.
"""

from __future__ import annotations

import itertools

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, check, failed, not_applicable, passed

_ROWS = 2_000
_RARER = 1.5
_NEAR = 0.35
"""In logarithms, between the ratio of weights and the ratio of numbers."""


@check(family="data", cost="moderate", needs=("forward", "loss", "splits"))
def class_weights(candidate: Candidate) -> Outcome | None:
    """Compare the slope of each class with how many rows it has."""
    candidate.task_in("classification", "binary")
    rows = [column[:_ROWS] for column in candidate.rows("train")]
    label = rows[-1]
    if label.ndim != 1 or not candidate.is_single or len(label.unique()) < 2:
        return not_applicable("no one label a row")
    weights = _weights(candidate, rows)
    counts = {value: int((label == value).sum()) for value in weights}
    pairs = [(a, b) for a, b in itertools.permutations(counts, 2) if counts[a] > _RARER * counts[b]]
    if not pairs:
        return not_applicable("classes are about equally many")
    if all(_repeats(weights[a] / weights[b], counts[a] / counts[b]) for a, b in pairs):
        (a, b) = max(pairs, key=lambda pair: counts[pair[0]] / counts[pair[1]])
        return failed(
            f"class {a:g} has {counts[a]} rows, class {b:g} has {counts[b]}, and the loss weighs the first "
            f"{weights[a] / weights[b]:.3g} times as much",
            where=candidate.place(candidate.module.compute_loss),
            advice="weigh by the inverse of the numbers: pos_weight = negatives / positives",
        )
    return passed()


def _weights(candidate: Candidate, rows: Tensors) -> dict[float, float]:
    """Give the mean size of the slope at equal logits for the rows of each class."""
    equal = torch.zeros(candidate.output_shapes(len(rows[0]))[0], requires_grad=True)
    (slope,) = torch.autograd.grad(candidate.loss(equal, rows), equal)
    sizes = slope.reshape(len(slope), -1).norm(dim=1)
    return {float(value): float(sizes[rows[-1] == value].mean()) + 1e-12 for value in rows[-1].unique()}


def _repeats(weight: float, number: float) -> bool:
    ratio = torch.tensor(weight / number)
    return bool(ratio.log().abs() < _NEAR)
