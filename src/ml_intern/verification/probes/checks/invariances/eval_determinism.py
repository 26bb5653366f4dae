"""In evaluation mode two calls give the same, and a call leaves nothing behind."""

from __future__ import annotations

import torch
from probes.candidate import Candidate, all_close
from probes.checks.base import Outcome, check, failed, not_applicable
from probes.dispatching import Dispatching

_SEEDS = (2, 3, 4, 5)
"""Stochastic depth drops a layer of one sample in ten or fewer, so one other draw may be the same by chance."""

_NORMAL = {"normal", "normal_", "randn", "randn_like"}


@check(family="invariances", cost="cheap", needs=("forward",))
def eval_determinism(candidate: Candidate) -> Outcome | None:
    """Call twice with other random numbers, and with another input in between."""
    network = candidate.warm
    inputs = candidate.inputs(16, seed=1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first = candidate.run(network, inputs, seed=1)
    differs = any(not all_close(candidate.run(network, inputs, seed=seed), first, 1e-5) for seed in _SEEDS)
    if differs and all_close(candidate.run(network, inputs, seed=1), first, 1e-5):
        if candidate.contract.task == "density" and _draws(candidate) <= _NORMAL:
            return not_applicable("it draws normal noise only, as variational networks do in evaluation too")
        return failed(
            "two calls in evaluation mode on the same input differ: random numbers are drawn",
            where=candidate.forward_place,
            advice="F.dropout(x, p, training=self.training); sample only if self.training",
        )
    candidate.run(network, candidate.inputs(16, seed=2), seed=1)
    if not all_close(candidate.run(network, inputs, seed=1), first, 1e-5):
        return failed(
            "a call in evaluation mode changes the result of the next: something is kept on self",
            where=candidate.forward_place,
            advice="make the hidden state, cache or running mean a local variable of forward",
        )
    moved = [name for name, value in network.state_dict().items() if not torch.equal(before[name], value)]
    if moved:
        return failed(
            f"a call in evaluation mode changes {', '.join(moved[:3])}",
            where=candidate.forward_place,
            advice="update statistics only if self.training",
        )
    return None


class _Drawing(Dispatching):
    """Note the operations that draw random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        del types
        if torch.Tag.nondeterministic_seeded in function.tags:
            self.names.add(function._schema.name.removeprefix("aten::"))
        return function(*args, **(kwargs or {}))


def _draws(candidate: Candidate) -> set[str]:
    network, inputs = candidate.warm, candidate.inputs(16, seed=1)
    with _Drawing() as drawing:
        candidate.run(network, inputs, seed=1)
    return drawing.names
