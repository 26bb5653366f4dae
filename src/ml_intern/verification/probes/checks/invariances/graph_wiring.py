"""Who is linked to whom matters, not only how many links each node has.

Two rings through the same nodes in another order give every node two links. A network that passes messages tells them
apart; one that multiplies each node by its own degree does not.

Source: Gilmer et al., "Neural message passing for quantum chemistry", arXiv 1704.01212 §2.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, all_close
from probes.checks.base import Outcome, check, failed, not_applicable

_LEAST = 5
"""Nodes of which more than one ring can be made, whatever the order."""
_TRIES = 4


@check(family="invariances", cost="cheap", needs=("forward", "input-use"))
def graph_wiring(candidate: Candidate) -> Outcome | None:
    """Exchange rings of the same nodes."""
    specs = candidate.contract.inputs
    places = [place for place, spec in enumerate(specs) if spec.role == "adjacency" and len(spec.shape) == 3]
    if len(places) != 1 or candidate.inputs(1)[places[0]].shape[-1] < _LEAST:
        return not_applicable("no adjacency of shape (batch, nodes, nodes) among the inputs")
    place = places[0]
    for seed in range(_TRIES):
        inputs = candidate.inputs(4, seed=seed)
        outputs = []
        for order in (0, 1):
            inputs[place] = _ring(inputs[place], seed=10 * seed + order)
            outputs.append(candidate.run(candidate.warm, inputs))
        if not all_close(*outputs, 1e-6):
            return None
    return failed(
        "graphs with the same nodes and as many links at each, but between others, give the same output",
        where=candidate.forward_place,
        advice="sum the features of the neighbours: adjacency @ features, or 'bij,bjd->bid' and not 'bij,bid->bid'",
    )


def _ring(like: torch.Tensor, seed: int) -> torch.Tensor:
    """Link nodes in a ring, in a random order; like: (batch, nodes, nodes)."""
    order = torch.randperm(like.shape[-1], generator=torch.Generator().manual_seed(seed))
    links = torch.zeros_like(like)
    links[:, order, order.roll(1)] = 1
    links[:, order.roll(1), order] = 1
    return links
