"""Training fits the declared memory: weights, gradients, Adam's two moments, and what the backward pass keeps.

Kept tensors are counted by autograd's own hooks in one forward pass without values, each storage once. What kernels
use for themselves and what the allocator wastes come on top, so this is a lower bound.

Source: Rajbhandari et al., "ZeRO", arXiv 1910.02054 §3: model states and residual states.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, listed
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.fullsize import full_size, gib, is_too_large, shapes_only
from torch import nn


@check(family="fake", cost="moderate", needs=("full-forward",))
def training_memory(candidate: Candidate) -> Outcome | None:
    """Add up what a training step of the declared batch holds."""
    size, plan = full_size(candidate), candidate.contract.training
    if size is None or not (plan or is_too_large(candidate)):
        return not_applicable("no budget is declared")
    batch, length = (plan.batch, plan.length) if plan else (1, 128)
    with shapes_only(candidate) as network:
        kept = _kept(network.train(), candidate.inputs(batch, length))
    told = (
        f"training a batch of {batch} takes at least {gib(size.states + kept)}: weights {gib(size.weights)}, gradients "
        f"and Adam's moments {gib(size.states - size.weights)}, activations {gib(kept)}"
    )
    if plan is None or plan.memory is None or size.states + kept <= plan.memory:
        return passed(told)
    return failed(
        f"{told}; declared are {gib(plan.memory)}",
        advice="a smaller batch with accumulation, activation checkpointing, bfloat16 weights, or adapters",
    )


def _kept(network: nn.Module, inputs: list[torch.Tensor]) -> int:
    """Count the bytes that the backward pass keeps, weights not included."""
    own = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = listed(network(*inputs))
    del outputs
    return sum(storage.nbytes() for storage in kept.values())
