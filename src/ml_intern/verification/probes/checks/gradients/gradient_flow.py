"""Gradients neither explode at the first weights nor vanish on their way to the first layers.

Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010).
"""

from __future__ import annotations

import math

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.checks.gradients.dead_parameters import training_loss

_EXPLODES = 1e4
_VANISHES = 1e-8
"""Gradient of a layer relative to the largest; single precision ends near 1e-7."""


@check(family="gradients", cost="cheap", needs=("forward", "loss"))
def gradient_flow(candidate: Candidate) -> Outcome | None:
    """Compare the norms of the gradients of all matrices after one backward pass."""
    network = candidate.build().train()
    loss = training_loss(candidate, network, seed=0, batch=16)
    loss.backward()
    norms = {n: p.grad.norm().item() for n, p in network.named_parameters() if p.grad is not None and p.ndim > 1}
    norms = {name: norm for name, norm in norms.items() if norm > 0}
    if not norms or not candidate.has("compute_loss"):
        return not_applicable("no loss, or no matrix with a gradient")
    total = math.sqrt(sum(norm * norm for norm in norms.values()))
    if total > _EXPLODES * max(1.0, abs(loss.item())):
        worst = max(norms, key=norms.__getitem__)
        return failed(
            f"the first gradient has the norm {total:.1e}, most of it in {worst}",
            where=candidate.forward_place,
            advice="smaller first weights, a norm in front of the layer, or a mean in place of a sum in the loss",
        )
    low = [name for name, norm in norms.items() if norm < _VANISHES * max(norms.values())]
    if len(low) > len(norms) / 4 and not candidate.contract.zero_init:
        return failed(
            f"the gradients of {', '.join(low[:3])} vanish: below {_VANISHES:g} of the largest",
            where=candidate.forward_place,
            advice="residual connections, norms, or another activation than a saturated sigmoid",
        )
    return passed(f"norm {total:.3g}")
