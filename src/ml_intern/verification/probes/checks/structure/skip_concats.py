"""A decoder joins as many early maps to late ones as the paper says.

Source: Ronneberger et al., arXiv 1505.04597, figure 1.
"""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.trace import trace_of


@check(family="structure", cost="cheap", needs=("forward",))
def skip_concats(candidate: Candidate) -> Outcome | None:
    """Count concatenations of a tensor with what was made of it."""
    claimed = candidate.claims.skip_concats
    if claimed is None:
        return not_applicable("no claim about skip concatenations")
    trace = trace_of(candidate)
    count = 0
    for node in trace.nodes:
        parts = [ref.node for ref in node.refs if ref.node >= 0 and trace.depends(ref)] if node.op == "cat" else []
        count += any(trace.nodes[late].ancestors >> early & 1 for late in parts for early in parts if early != late)
    if count >= claimed:
        return None
    return failed(
        f"{count} skip concatenations, claimed are {claimed}",
        where=candidate.forward_place,
        advice="torch.cat([upsampled, map of the encoder at this resolution], dim=1)",
    )
