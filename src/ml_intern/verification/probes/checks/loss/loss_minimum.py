"""No small change of a perfect prediction makes the loss smaller.

Finds terms with the wrong sign, such as a Kullback-Leibler divergence that is subtracted.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from probes.oracle import ideal


@check(family="loss", cost="cheap", needs=("forward", "loss", "oracle-loss"))
def loss_minimum(candidate: Candidate) -> Outcome | None:
    """Move each output a little and far from its ideal, one output at a time."""
    if candidate.contract.oracle not in {"regression", "reconstruction"}:
        return None
    batch = candidate.batch(4)
    perfect = ideal(candidate, batch)
    outputs = list(perfect) if isinstance(perfect, tuple) else [perfect]
    best = candidate.loss(perfect, batch).item()
    generator = torch.Generator().manual_seed(0)
    for place, output in enumerate(outputs):
        for size in (0.3, 2.0):
            moved = list(outputs)
            moved[place] = output + size * torch.randn(output.shape, generator=generator)
            value = candidate.loss(tuple(moved) if isinstance(perfect, tuple) else moved[0], batch).item()
            if value < best - 1e-3 * (1 + abs(best)):
                return failed(
                    f"the loss of a perfect prediction is {best:.4g}, and falls to {value:.4g} when output {place} "
                    f"moves away from it by {size}",
                    where=candidate.place(candidate.module.compute_loss),
                    advice="look for a term with the wrong sign, or one that compares with the wrong tensor",
                )
    return None
