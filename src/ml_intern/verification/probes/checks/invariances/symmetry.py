"""What the contract calls symmetric is: exchanged inputs, or nodes in another order, give the same output.

Source: Bromley et al., "Signature verification using a Siamese time delay neural network" (1993).
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, all_close
from probes.checks.base import Outcome, check, failed, not_applicable


@check(family="invariances", cost="cheap", needs=("forward",))
def symmetry(candidate: Candidate) -> Outcome | None:
    """Exchange the two inputs; permute the nodes."""
    contract = candidate.contract
    if not (contract.symmetric or contract.node_permutation_invariant):
        return not_applicable("the contract claims no symmetry")
    inputs = candidate.inputs(4, seed=1)
    before = candidate.run(candidate.warm, inputs)
    if contract.symmetric and not all_close(candidate.run(candidate.warm, [inputs[1], inputs[0], *inputs[2:]]), before):
        return failed(
            "f(a, b) and f(b, a) differ",
            where=candidate.forward_place,
            advice="use one and the same tower for both, and combine them symmetrically: |a - b|, a * b",
        )
    if contract.node_permutation_invariant:
        nodes = inputs[0].shape[1]
        order = torch.randperm(nodes, generator=torch.Generator().manual_seed(0))
        moved = [_permuted(given, order, nodes) for given in inputs]
        if not all_close(candidate.run(candidate.warm, moved), before):
            return failed(
                "another order of the nodes gives another output",
                where=candidate.forward_place,
                advice="pool over all nodes (mean, sum, max) and mix them by the adjacency only",
            )
    return None


def _permuted(given: torch.Tensor, order: torch.Tensor, nodes: int) -> torch.Tensor:
    for axis in (1, 2):
        if given.ndim > axis and given.shape[axis] == nodes and (axis == 1 or given.shape[1] == nodes):
            given = given.index_select(axis, order)
    return given
