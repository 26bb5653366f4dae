"""Before training every class is about equally likely, so the loss is near that of equal logits, ln C without weights.

Source: Karpathy, "A recipe for training neural networks" (2019), "verify loss @ init".
"""

from __future__ import annotations

import math

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, passed
from probes.oracle import class_axis

_LOW, _HIGH = 0.2, 3.0
"""Multiples; focal losses lie between."""


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def initial_loss(candidate: Candidate) -> Outcome | None:
    """Compare the loss of two random batches with that of equal probabilities."""
    if candidate.contract.oracle != "binary_logit":
        class_axis(candidate)
    network = candidate.build().train()
    values, even = [], []
    with torch.no_grad():
        for seed in range(2):
            batch = candidate.batch(16, seed=seed)
            output = network(*candidate.model_inputs(batch))
            values.append(candidate.loss(output, batch).item())
            even.append(candidate.loss(torch.zeros_like(output), batch).item())
    first, flat = sum(values) / len(values), sum(even) / len(even)
    expected = math.log(candidate.contract.classes or 2)
    told = f"the first loss is {first:.3g}, that of equal logits {flat:.3g}, ln {candidate.contract.classes or 2} = "
    told += f"{expected:.3g}"
    # Weights of classes raise both; a sum in place of a mean is another check's.
    if first > _HIGH * (max(expected, flat) if math.isfinite(flat) else expected):
        return failed(
            f"{told}: far above",
            where=candidate.place(candidate.module.compute_loss),
            advice="initialise the head with small weights; check for a missing norm or a sum in place of a mean",
        )
    if first < _LOW * expected and expected > 1:
        return failed(
            f"{told}: far below",
            where=candidate.place(candidate.module.compute_loss),
            advice="check whether the loss is divided twice, or the network sees its labels",
        )
    return passed(told)
