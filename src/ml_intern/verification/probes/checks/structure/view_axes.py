"""A view or reshape only splits axes and merges neighbours; it never moves values from one axis into another.

Finds heads, patches, channels or classes mixed up by a view in place of a transpose.
"""

from __future__ import annotations

import itertools
from math import prod

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from probes.trace import VIEWS, Node, Trace, trace_of


@check(family="structure", cost="cheap", needs=("forward",))
def view_axes(candidate: Candidate) -> Outcome | None:
    """Compare the boundaries of axes before and after each view of what depends on an input."""
    trace = trace_of(candidate)
    for node in trace.nodes:
        if node.op in VIEWS and trace.depends(node.refs[0]) and _mixes(node) and not _is_relative_shift(trace, node):
            return failed(
                f"a view of {tuple(node.args[0].shape)} as {node.shape} cuts across axes: values of one axis land in "
                "another",
                where=candidate.line(node.line),
                advice="split or merge neighbouring axes only; transpose or permute first, then reshape",
            )
    return None


def _mixes(node: Node) -> bool:
    before = [size for size in node.args[0].shape if size != 1]
    after = [size for size in node.shape if size != 1]
    if 0 in before or 0 in after:
        return False
    bounds = sorted(_bounds(before) | _bounds(after))
    return any(larger % smaller for smaller, larger in itertools.pairwise(bounds))


def _bounds(shape: list[int]) -> set[int]:
    return {prod(shape[place:]) for place in range(len(shape))}


def _is_relative_shift(trace: Trace, node: Node) -> bool:
    """Tell the trick of Transformer-XL (arXiv 1901.02860, appendix B): pad by one column, then view turned over."""
    before, after = node.args[0].shape, node.shape
    is_turned = len(before) == len(after) and sorted(before[-2:]) == sorted(after[-2:])
    ref = node.refs[0]
    while ref.node >= 0 and trace.nodes[ref.node].op in {"clone", "contiguous", "view", "_unsafe_view"}:
        ref = trace.nodes[ref.node].refs[0]
    padded = ref.node >= 0 and trace.nodes[ref.node].op in {"constant_pad_nd", "cat"}
    return is_turned and padded
