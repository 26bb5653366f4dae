"""Whom a position attends to depends on the position itself, not only on the others.

Where a score is the sum of a term of the query and one of the key, and nothing bends it, the softmax over the keys
takes the query's term out again.

Source: Brody et al., "How attentive are graph attention networks?", arXiv 2105.14491 §3, on static attention;
Velickovic et al., arXiv 1710.10903 §2.1: the LeakyReLU before the softmax.
"""

from __future__ import annotations

import torch
from probes.attention import pairings
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.trace import trace_of

_SAME = 1e-4
"""Spread of the logarithms' differences that rounding may make."""
_UNEVEN = 1e-2
"""Spread of the logarithms within a row from which on a row prefers some keys."""


@check(family="structure", cost="cheap", needs=("forward",))
def query_use(candidate: Candidate) -> Outcome | None:
    """Compare how each query prefers keys over each other: where all do alike, none is asked."""
    found = pairings(trace_of(candidate))
    if not found:
        return not_applicable("no softmax over the pairs of a set")
    for node, weights in found:
        if _is_static(weights.reshape(-1, *weights.shape[-2:])):
            return failed(
                "every position attends to the others in the same proportions: what it is itself does not matter",
                where=candidate.line(node.line),
                advice="let query and key meet in a product, or bend their sum (LeakyReLU) before the softmax",
            )
    return None


def _is_static(weights: torch.Tensor) -> bool:
    """Compare each row's logarithms with the next one's, over the keys that both weigh."""
    logs, is_seen, compared = weights.clamp(min=1e-30).log(), weights > 0, False
    for one, other in zip(range(weights.shape[1] - 1), range(1, weights.shape[1]), strict=True):
        both = is_seen[:, one] & is_seen[:, other]
        if _spread(logs[:, one] - logs[:, other], both).max() > _SAME:
            return False
        compared |= bool((_spread(logs[:, one], both) > _UNEVEN).any())
    return compared


def _spread(values: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Give the range of the kept values of each row; 0 where there are fewer than two."""
    high = values.masked_fill(~kept, -torch.inf).amax(-1)
    low = values.masked_fill(~kept, torch.inf).amin(-1)
    return torch.where(kept.sum(-1) > 1, high - low, torch.zeros_like(high))
