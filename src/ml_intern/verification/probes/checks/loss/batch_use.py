"""Every tensor that the contract calls part of a batch is used: the network is given it, or the loss changes with it.

Source: metamorphic testing; a likelihood that leaves out who was censored falls as it should, and is one of other data.
"""

from __future__ import annotations

import re

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.drawing import changed

_ROWS = 12
_TRIES = 3
_FOR_SCORING = re.compile(
    r"(?:\w+_)?(?:labels?|class(?:es)?|targets?|ids?|index|groups?|counts?|known|seen)(?:_\w+)?", re.IGNORECASE
)
"""Names of what a loss without labels leaves to the evaluation; where labels teach, `label-use` holds it to them."""

_WITHOUT_LABELS = ("reconstruction", "denoising")
"""Tasks that learn without a label a row, so that one is for scoring, such as what is out of the ordinary."""


@check(family="loss", cost="cheap", needs=("forward", "loss"))
def batch_use(candidate: Candidate) -> Outcome | None:
    """Change one tensor of the batch at a time, the outputs staying."""
    specs = candidate.contract.batch
    if not specs:
        return not_applicable("the contract does not list what a batch holds")
    batch = candidate.batch(_ROWS, seed=2)
    network = candidate.build().eval()
    with torch.no_grad():
        output = network(*candidate.model_inputs(batch))
    for place, spec in enumerate(specs):
        is_fixed = spec.high is not None and spec.dtype == "int64" and spec.high - spec.low <= 1
        is_label = (
            candidate.contract.task in _WITHOUT_LABELS and spec.dtype in {"int64", "bool"} and len(spec.shape) == 1
        )
        if spec.role == "padding_mask" or is_fixed or is_label or _FOR_SCORING.fullmatch(spec.name or ""):
            continue
        if not any(_matters(candidate, batch, output, place, seed) for seed in range(_TRIES)):
            return failed(
                f"{spec.name or f'tensor {place + 1}'!r} of the batch changes neither what the network is given nor "
                "the loss",
                where=candidate.place(candidate.module.compute_loss),
                advice="a term of the loss is missing or does not look at it; or the contract lists too much",
            )
    return None


def _matters(candidate: Candidate, batch: Tensors, output: object, place: int, seed: int) -> bool:
    after = [tensor.clone() for tensor in batch]
    after[place] = changed(candidate.contract.batch[place], batch[place], torch.Generator().manual_seed(seed))
    given = zip(candidate.model_inputs(batch), candidate.model_inputs(after), strict=True)
    if any(not torch.equal(one, other) for one, other in given):
        return True
    values = []
    for rows in (batch, after):
        torch.manual_seed(0)
        values.append(candidate.loss(output, rows))
    return not torch.equal(*values)
