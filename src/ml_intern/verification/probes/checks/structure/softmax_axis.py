"""Attention weights sum to 1 over the keys that they weigh.

Source: Vaswani et al., arXiv 1706.03762 §3.2.1; Velickovic et al., arXiv 1710.10903 §2.1, equation 2.
"""

from __future__ import annotations

import torch
from probes.attention import attentions, pairings
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.trace import trace_of

_NEAR = 1e-3


@check(family="structure", cost="cheap", needs=("forward",))
def softmax_axis(candidate: Candidate) -> Outcome | None:
    """Sum the weights over the axis that the product with the values sums over."""
    trace = trace_of(candidate)
    products = [(one.node, one.weights) for one in attentions(trace) if one.weights is not None]
    pairs = [(node, weights) for node, weights in pairings(trace) if _sums_to_one(weights, -2)]
    if not products and not pairs:
        return not_applicable("no softmax whose weights can be followed")
    for node, weights in [*products, *pairs]:
        if not _sums_to_one(weights, -1):
            return failed(
                "attention weights do not sum to 1 over the keys",
                where=candidate.line(node.line),
                advice="softmax(dim=-1) over the keys, the last axis of query @ key^T; mask before it, with -inf",
            )
    return None


def _sums_to_one(weights: torch.Tensor, axis: int) -> bool:
    return bool((weights.sum(axis) - 1).abs().max() <= _NEAR)
