"""A training makes the program's own metric better on the rows that it trains on.

Source: Sutton and Barto, "Reinforcement learning" (2018) §13.1, on ascent of the measure of performance; a surrogate
with the wrong sign falls as it should while that measure gets worse.
"""

from __future__ import annotations

import inspect

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, inconclusive, not_applicable, passed
from probes.direction import higher_is_better
from torch import nn

_STEPS = 200
_NETWORKS = 3


@check(family="learning", cost="dear", needs=("forward", "loss", "train", "evaluate", "optimizer-use"))
def trained_metric(candidate: Candidate) -> Outcome | None:
    """Train as the program does, and compare with three networks that are not trained."""
    higher = higher_is_better(candidate)
    if higher is None:
        return not_applicable("the program does not say whether its metric is better when higher")
    untrained = [_score(candidate, candidate.build(seed)) for seed in range(_NETWORKS)]
    if None not in untrained and set(untrained) == {1.0 if higher else 0.0}:
        return failed(
            f"{_NETWORKS} networks that are not trained score {untrained[0]:g}, and nothing is better",
            where=candidate.place(candidate.module.evaluate),
            advice="see what the answer is compared with: itself, or what the network was given",
        )
    network = candidate.build()
    torch.manual_seed(0)
    candidate.module.train(network, dict(candidate.splits), **_steps(candidate))
    trained = _score(candidate, network)
    if trained is None or None in untrained:
        return inconclusive("evaluate gives no number")
    told = f"on the training part the metric is {', '.join(f'{one:.4g}' for one in untrained)} before training"
    told = f"{told} (three networks) and {trained:.4g} after it"
    better = trained > min(untrained) if higher else trained < max(untrained)
    if better or trained in untrained:
        return passed(told)
    return failed(
        f"{told}; {'higher' if higher else 'lower'} is better",
        where=candidate.place(candidate.module.compute_loss),
        advice="see whether the loss asks for what the metric rewards: its sign, its target, its inputs",
    )


def _steps(candidate: Candidate) -> dict[str, int]:
    """Give the program's own number of steps, bounded."""
    parameter = inspect.signature(candidate.module.train).parameters.get("steps")
    if parameter is None:
        return {}
    return {"steps": min(parameter.default, _STEPS) if isinstance(parameter.default, int) else _STEPS}


def _score(candidate: Candidate, network: nn.Module) -> float | None:
    torch.manual_seed(0)
    score = candidate.module.evaluate(network, candidate.splits["train"])
    return float(score) if isinstance(score, int | float | torch.Tensor) else None
