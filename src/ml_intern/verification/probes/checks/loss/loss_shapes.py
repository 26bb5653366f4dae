"""Output and target of a loss have the same shape: (batch, 1) against (batch,) makes every pair of rows a term.

Source: the warning of PyTorch's `mse_loss`: "this will likely lead to incorrect results due to broadcasting".
"""

from __future__ import annotations

import warnings

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def loss_shapes(candidate: Candidate) -> Outcome | None:
    """Listen to what torch says when the loss is computed."""
    batch = candidate.batch(4)
    with torch.no_grad():
        output = candidate.build().train()(*candidate.model_inputs(batch))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        candidate.loss(output, batch)
    for warning in said:
        text = str(warning.message)
        if "target size" in text and "different to the input size" in text:
            return failed(
                text.partition(". ")[0],
                where=candidate.place(candidate.module.compute_loss),
                advice="give both the same shape: squeeze(1) the output, or unsqueeze(1) the target",
            )
    return None
