"""Norms stand before or after the residual additions, as the paper says.

Source: Xiong et al., "On layer normalization in the transformer architecture", arXiv 2002.04745.
"""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.trace import PASSING, Node, Ref, Trace, trace_of

_NORMS = frozenset({"native_layer_norm", "_fused_rms_norm", "rms_norm"})


@check(family="structure", cost="cheap", needs=("forward",))
def norm_placement(candidate: Candidate) -> Outcome | None:
    """Follow the skip of each residual addition up: to another addition (pre), or to a norm of one (post)."""
    claimed = candidate.claims.norm
    if claimed is None:
        return not_applicable("no claim about norms")
    pre, post = _count(trace_of(candidate))
    if pre == post:
        return not_applicable("the residual additions do not tell")
    found = "pre" if pre > post else "post"
    if found == claimed:
        return passed(f"{found}-norm")
    advice = "x + layer(norm(x))" if claimed == "pre" else "norm(x + layer(x))"
    return failed(
        f"{found}-norm is built, claimed is {claimed}-norm", where=candidate.forward_place, advice=f"write {advice}"
    )


def _count(trace: Trace) -> tuple[int, int]:
    additions = trace.residual_additions()
    numbers = {node.number for node, _, _ in additions}
    kinds = [_kind(trace, skip, numbers) for _, skip, _ in additions]
    return kinds.count("pre"), kinds.count("post")


def _kind(trace: Trace, ref: Ref, additions: set[int]) -> str:
    normed = False
    for _ in range(30):
        if ref.node < 0:
            break
        node = trace.nodes[ref.node]
        if node.number in additions:
            return "post" if normed else "pre"
        if _is_norm(node):
            normed = True
        elif node.op not in PASSING:
            break
        ref = node.refs[0]
    return ""


def _is_norm(node: Node) -> bool:
    return node.op in _NORMS or "Norm" in node.owner
