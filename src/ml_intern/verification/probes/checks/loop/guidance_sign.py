"""Guidance pulls samples towards the condition: the answer that knows it counts with a positive sign.

A network that gives zeros is sampled from, then one that gives ones, then one that gives ones only where it is told the
condition. The sample has to move in the last case in the direction in which it moves in the second.

Source: Ho and Salimans, "Classifier-free diffusion guidance", arXiv 2207.12598, equation 6.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.normal_paths import places, scorers
from torch import nn


class _Shifted(nn.Module):
    """Gives a number where the condition is told, another where not; keeps the noisy input of each call."""

    def __init__(self, noisy: int, condition: int, told: float, untold: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.calls: list[tuple[torch.Tensor, bool]] = []
        self._noisy, self._condition, self._told, self._untold = noisy, condition, told, untold

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Take a condition that is the same for all rows for none."""
        x, is_told = inputs[self._noisy], len(inputs[self._condition].unique()) > 1
        self.calls.append((x.clone(), is_told))
        return torch.full_like(x, self._told if is_told else self._untold)


@check(family="loop", cost="moderate", needs=("forward", "loss", "evaluate", "splits"))
def guidance_sign(candidate: Candidate) -> Outcome | None:
    """Sample with three networks, and compare the first input after both answers of the first step."""
    noisy, time = places(candidate)
    specs = candidate.contract.inputs
    named = [n for n, spec in enumerate(specs) if n != time and spec.dtype == "int64" and spec.shape == ["B"]]
    if len(named) != 1:
        return not_applicable("no single condition beside the time")
    for function in scorers(candidate):
        found = [_next(candidate, function, _Shifted(noisy, named[0], *both)) for both in ((0, 0), (1, 1), (1, 0))]
        if any(one is None for one in found):
            continue
        still, all_moved, told_moved = found
        step = all_moved - still
        share = float(((told_moved - still) * step).sum() / step.square().sum().clamp(min=1e-12))
        if share < -0.01:
            return failed(
                f"the answer that knows the condition counts {share:.3g} times: samples are pushed away from it",
                where=candidate.place(function),
                advice="without + guidance * (with - without)",
            )
        return passed(f"the answer that knows the condition counts {share:.3g} times")
    return not_applicable("nothing asks the network with and without the condition")


def _next(candidate: Candidate, function: Callable, network: _Shifted) -> torch.Tensor | None:
    """Give what the network is asked after it was asked about one input with and without the condition."""
    with contextlib.suppress(Exception), torch.no_grad():  # other functions may want more than this network has
        torch.manual_seed(0)
        function(network, candidate.splits["val"])
    calls = network.calls
    for (x, one), (again, other), (after, _) in zip(calls, calls[1:], calls[2:], strict=False):
        if one != other and torch.equal(x, again) and after.shape == x.shape:
            return after
    return None
