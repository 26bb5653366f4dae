"""Attention scores are divided by the square root of the width of a head.

Source: Vaswani et al., arXiv 1706.03762 §3.2.1, equation 1.
"""

from __future__ import annotations

from probes.attention import attentions
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.trace import trace_of


@check(family="structure", cost="cheap", needs=("forward",))
def attention_scale(candidate: Candidate) -> Outcome | None:
    """Multiply all factors between the projections and the softmax."""
    if not candidate.claims.attn_scale:
        return not_applicable("no claim about the scale of attention")
    found = attentions(trace_of(candidate))
    if not found:
        return not_applicable("no attention was recognised")
    for one in found:
        expected = one.width**-0.5
        if abs(one.scale / expected - 1) > 0.02:
            return failed(
                f"attention scores are multiplied by {one.scale:.4g}, not by 1/sqrt({one.width}) = {expected:.4g}",
                where=candidate.line(one.node.line),
                advice="divide query @ key by math.sqrt(head_dim), the width of one head, once",
            )
    return passed(f"{len(found)} attentions")
