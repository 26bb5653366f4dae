"""There are as many residual additions as the paper has.

Source: He et al., arXiv 1512.03385 §3.2.
"""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.trace import trace_of


@check(family="structure", cost="cheap", needs=("forward",))
def residuals(candidate: Candidate) -> Outcome | None:
    """Count additions of a tensor to what a layer made of it."""
    claimed = candidate.claims.residual_adds
    if claimed is None:
        return not_applicable("no claim about residual additions")
    count = len(trace_of(candidate).residual_additions())
    if count >= claimed:
        return passed(f"{count} residual additions")
    return failed(
        f"{count} residual additions, claimed are {claimed}",
        where=candidate.forward_place,
        advice="x = x + layer(norm(x)) around each attention and feed-forward layer, or each pair of convolutions",
    )
