"""Rotary positions turn queries and keys, by angles that differ from position to position, and leave the values.

Source: Su et al., arXiv 2104.09864 §3.2.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.trace import PRODUCTS, Ref, Trace, trace_of


@check(family="structure", cost="cheap", needs=("forward",))
def rotary(candidate: Candidate) -> Outcome | None:
    """Look for products with cosines and sines above the queries and the keys."""
    if candidate.claims.positions != "rotary":
        return not_applicable("no claim of rotary positions")
    trace = trace_of(candidate)
    found = [node for node in trace.nodes if node.op.startswith("_scaled_dot_product")]
    found += [node for node in trace.nodes if node.op in PRODUCTS and _leads_to_softmax(trace, node.number)]
    if not found:
        return not_applicable("no attention was recognised")
    for node in found:
        lengths = [value.shape[-2] for value in node.args[:2]]
        if node.op in PRODUCTS:
            lengths[1] = node.args[1].shape[-1]  # keys stand transposed in the product
        turned = [_is_turned(trace, ref, length) for ref, length in zip(node.refs[:2], lengths, strict=True)]
        if not all(turned):
            which = (
                "neither queries nor keys are"
                if not any(turned)
                else f"only the {'queries' if turned[0] else 'keys'} are"
            )
            return failed(
                f"{which} turned by their positions",
                where=candidate.line(node.line),
                advice="apply the rotation to q and k after their projection and before their product, not to v",
            )
    return None


def _leads_to_softmax(trace: Trace, number: int) -> bool:
    ends = [
        trace.up(node.refs[0], PRODUCTS)[0].node for node in trace.nodes if node.op in {"_softmax", "_safe_softmax"}
    ]
    return number in ends


def _is_turned(trace: Trace, ref: Ref, length: int) -> bool:
    """Search the operations between the projection and the product for a factor in [-1, 1] that differs by position."""
    pending, seen = [ref.node], set()
    while pending:
        number = pending.pop()
        if number < 0 or number in seen:
            continue
        seen.add(number)
        node = trace.nodes[number]
        if node.op in {"addmm", "mm", "linear"}:
            continue
        if node.op == "mul" and len(node.refs) == 2 and _has_angles(trace, node.args, node.refs, length):
            return True
        pending += [one.node for one in node.refs]
    return False


def _has_angles(trace: Trace, args: tuple, refs: list[Ref], length: int) -> bool:
    for value, ref in zip(args, refs, strict=False):
        fixed = not trace.depends(ref) and ref.leaf != "param"
        if isinstance(value, torch.Tensor) and fixed and value.numel() > 1:
            real = torch.view_as_real(value) if value.is_complex() else value
            axes = [axis for axis, size in enumerate(value.shape) if size == length]
            differs = any(bool((real.float().std(axis) > 0).any()) for axis in axes)
            return bool((real.abs() <= 1.001).all()) and differs
    return False
