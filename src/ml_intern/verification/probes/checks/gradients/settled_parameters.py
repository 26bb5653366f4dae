"""A forward pass in training leaves the parameters to the optimizer, but for values that the first batch sets.

Source: Kingma and Dhariwal, "Glow", arXiv 1807.03039 §3.1: activation normalisation is initialised by the first batch,
after which scale and bias are trained like other parameters.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed


@check(family="gradients", cost="cheap", needs=("forward",))
def settled_parameters(candidate: Candidate) -> Outcome | None:
    """Give the network batches without a step, and compare what it trains after the second and the fourth."""
    network = candidate.build().train()
    kept: dict[str, torch.Tensor] = {}
    for seed in range(4):
        candidate.run(network, candidate.inputs(8, seed=60 + seed))
        if seed == 1:
            kept = {name: p.detach().clone() for name, p in network.named_parameters() if p.requires_grad}
    now = dict(network.named_parameters())
    moved = [name for name, value in kept.items() if not torch.equal(value, now.get(name, value))]
    if not moved:
        return None
    return failed(
        f"each forward pass in training writes {', '.join(moved[:3])} anew: what the optimizer learns is lost",
        where=candidate.forward_place,
        advice="set it from the first batch only, and note in a buffer that it is set",
    )
