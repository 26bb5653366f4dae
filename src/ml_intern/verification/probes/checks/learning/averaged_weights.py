"""Averaged weights that training leaves are those of trained networks: little is left in them of the first one.

A decay that is made for every step and applied once an epoch keeps most of what was never trained.

Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992); Ho et al., arXiv
2006.11239, appendix B, on the decay of the averaged weights.
"""

from __future__ import annotations

import inspect

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.recording import notes_of
from torch import nn
from torch.optim import optimizer as optimizers

_MOST_STEPS = 800
_SNAPSHOTS = 10
_NUMBERS = 4_000
_LEFT = 0.2
"""Share of the first weights."""


@check(family="learning", cost="dear", needs=("forward", "loss", "run", "optimizer-use"))
def averaged_weights(candidate: Candidate) -> Outcome | None:
    """Where the short run left weights that no step made, train in full and take the last weights apart."""
    notes = notes_of(candidate)
    if not notes.visited or notes.left in notes.visited:
        return not_applicable("training leaves weights that a step made")
    steps = inspect.signature(candidate.module.train).parameters.get("steps")
    if steps is None or not isinstance(steps.default, int) or steps.default > _MOST_STEPS:
        return not_applicable("no number of steps is given, or too many")
    network = candidate.build()
    kept, last = _train(candidate, network)
    share = _share_of_first(kept, last)
    told = f"{share:.0%} of the weights that {steps.default} steps leave is what they were before the first step"
    if share < _LEFT:
        return passed(told)
    return failed(
        told,
        where=candidate.place(candidate.module.train),
        advice="update the average after every step, or take a smaller decay, or one that grows from 0",
    )


def _train(candidate: Candidate, network: nn.Module) -> tuple[list[torch.Tensor], torch.Tensor]:
    kept = [_numbers(network)]

    def after(optimizer: torch.optim.Optimizer, args: object, kwargs: object) -> None:
        kept.append(_numbers(network))

    hook = optimizers.register_optimizer_step_post_hook(after)
    try:
        torch.manual_seed(0)
        candidate.module.train(network, dict(candidate.splits))
    finally:
        hook.remove()
    return kept, _numbers(network)


def _numbers(network: nn.Module) -> torch.Tensor:
    """Give some of the trained numbers, always the same."""
    every = torch.cat([p.detach().flatten() for p in network.parameters() if p.requires_grad])
    return every[:: max(1, len(every) // _NUMBERS)].double()


def _share_of_first(kept: list[torch.Tensor], last: torch.Tensor) -> float:
    """Write the last weights as a sum of a few on the way, whose shares add up to 1; give the share of the first."""
    places = torch.linspace(0, len(kept) - 1, _SNAPSHOTS).round().long().tolist()
    final = kept[-1]
    ways = torch.stack([kept[place] - final for place in places[:-1]], 1)
    shares = torch.linalg.lstsq(ways, (last - final)[:, None]).solution
    return float(shares[0, 0])
