"""Find attention in a trace: a softmax over products of queries and keys, and the fused operation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from probes.trace import PASSING, PRODUCTS, Node, Trace

_MAPS = frozenset({"addmm", "mm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """`scale` multiplies the products, `width` is the size they sum over; `weights` are (..., queries, keys)."""

    node: Node
    scale: float
    width: int
    weights: torch.Tensor | None


def attentions(trace: Trace) -> list[Attention]:
    """Give every attention, in order."""
    found = [_explicit(trace, node) for node in trace.nodes if node.op in {"_softmax", "_safe_softmax"}]
    return [one for one in found if one is not None] + [
        _fused(trace, node) for node in trace.nodes if node.op.startswith("_scaled_dot_product")
    ]


def pairings(trace: Trace) -> list[tuple[Node, torch.Tensor]]:
    """Give softmaxes over scores of all pairs of one set, however they are made, with weights (..., queries, keys).

    Those of additive attention, as in graphs, are no products; where queries and keys are no one set, a softmax may
    share something out, such as nodes among clusters.
    """
    found = [(node, _weights(trace, node)) for node in trace.nodes if node.op in {"_softmax", "_safe_softmax"}]
    return [(n, w) for n, w in found if w is not None and w.shape[-1] == w.shape[-2] > 1]


def _fused(trace: Trace, node: Node) -> Attention:
    width = node.args[0].shape[-1]
    given = node.kwargs.get("scale")
    _, query = trace.up(node.refs[0], _MAPS)
    _, key = trace.up(node.refs[1], _MAPS)
    return Attention(
        node=node, scale=(given if given is not None else width**-0.5) * query * key, width=width, weights=None
    )


def _explicit(trace: Trace, node: Node) -> Attention | None:
    ref, scale = trace.up(node.refs[0], PRODUCTS)
    if ref.node < 0 or trace.nodes[ref.node].op not in PRODUCTS:
        return None
    product = trace.nodes[ref.node]
    factors = [value for value in product.args if isinstance(value, torch.Tensor)][-2:]
    _, query = trace.up(product.refs[-2], _MAPS)
    _, key = trace.up(product.refs[-1], _MAPS)
    if product.op == "baddbmm":
        scale *= product.kwargs.get("alpha", 1.0)
    return Attention(node=node, scale=scale * query * key, width=factors[0].shape[-1], weights=_weights(trace, node))


def _weights(trace: Trace, node: Node) -> torch.Tensor | None:
    """Give the weights as the next product takes them, which sums over the last axis; None where there is none."""
    pending, seen = [node], set()
    while pending:
        here = pending.pop(0)
        for user in trace.users(here.number):
            if user.number in seen:
                continue
            seen.add(user.number)
            if user.op in PRODUCTS:
                factors = [value for value in user.args if isinstance(value, torch.Tensor)][-2:]
                first = user.refs[-2].node == here.number
                return factors[0].float() if first else factors[1].float().transpose(-1, -2)
            if user.op in PASSING or user.op == "masked_fill" or trace.factor(user) is not None or _masks(trace, user):
                pending.append(user)
    return None


def _masks(trace: Trace, node: Node) -> bool:
    """Tell a multiplication by zeros and ones, which leaves weights that no longer sum to 1."""
    if node.op != "mul" or len(node.refs) != 2:
        return False
    others = [
        v for v, r in zip(node.args, node.refs, strict=False) if isinstance(v, torch.Tensor) and _is_leaf(trace, r)
    ]
    return any(bool(((v == 0) | (v == 1)).all()) for v in others)


def _is_leaf(trace: Trace, ref: object) -> bool:
    return not trace.depends(ref) and ref.leaf != "param"
