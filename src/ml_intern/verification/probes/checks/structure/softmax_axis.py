"""Attention weights sum to 1 over the keys that they weigh.

Source: Vaswani et al., arXiv 1706.03762 §3.2.1.
"""

from __future__ import annotations

from probes.attention import attentions
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.trace import trace_of


@check(family="structure", cost="cheap", needs=("forward",))
def softmax_axis(candidate: Candidate) -> Outcome | None:
    """Sum the weights over the axis that the product with the values sums over."""
    found = [one for one in attentions(trace_of(candidate)) if one.sums is not None]
    if not found:
        return not_applicable("no softmax whose weights can be followed")
    for one in found:
        if bool((one.sums - 1).abs().max() > 1e-3):
            return failed(
                "attention weights do not sum to 1 over the keys",
                where=candidate.line(one.node.line),
                advice="softmax(dim=-1) over the keys, the last axis of query @ key^T; mask before it, with -inf",
            )
    return None
