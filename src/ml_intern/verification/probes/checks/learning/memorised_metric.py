"""What a network knows by heart it also scores well on: loss and metric want the same.

Source: metamorphic testing; a loss and a decoder that disagree (the index of a blank, a shifted target, an input that
only training has) leave a loss near zero beside a metric that is no better than before.
"""

from __future__ import annotations

import copy

import torch
from probes.by_heart import impossible, learn
from probes.candidate import Candidate, listed
from probes.checks.base import Outcome, StopError, check, failed, inconclusive, not_applicable, passed
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

_ROWS = 12
_STEPS = 240
_KNOWN = 0.03
"""Share of the first loss below which the rows count as known by heart."""
_PERFECT = (0.0, 1.0, 100.0)
"""Errors end at 0, shares and perplexities at 1, percentages at 100."""
_LEFT = 0.25
"""Share of the way to the perfect score that may be left: above the square root of `_KNOWN`, as errors may be one."""


@check(family="learning", cost="dear", needs=("forward", "loss", "evaluate", "overfit-batch"))
def memorised_metric(candidate: Candidate) -> Outcome | None:
    """Learn twelve rows, then ask the program's own metric about these rows, before and after."""
    rows = _first(candidate.splits["train"])
    batch = listed(next(iter(DataLoader(rows, batch_size=_ROWS))))
    before = candidate.build()
    network = copy.deepcopy(before)
    losses, finding = learn(candidate, network, batch, steps=_STEPS, enough=_KNOWN / 6)
    loss = candidate.loss(network.eval()(*candidate.model_inputs(batch)), batch)
    if finding := finding or impossible(candidate, loss):
        return finding
    first, last = losses[0], loss.item()
    if first == 0 or not 0 <= last <= _KNOWN * first:
        return not_applicable(f"{len(losses)} steps bring the loss of {_ROWS} rows from {first:.3g} to {last:.3g} only")
    untrained, learnt, again = (_score(candidate, one, rows) for one in (before, network, network))
    if untrained is None or learnt is None:
        return inconclusive("evaluate gives no number")
    if learnt != again:
        return not_applicable("evaluate gives another number each time")
    told = f"{len(batch[0])} rows are known by heart (loss {first:.3g} to {last:.3g}), and their metric goes from"
    told = f"{told} {untrained:.4g} to {learnt:.4g}"
    if any(abs(learnt - best) <= max(_LEFT * abs(untrained - best), 0.02) for best in _PERFECT):
        return passed(told)
    if _is_reward(candidate, network, rows, learnt):
        raise StopError(not_applicable("the metric is a reward: it does not look at what the network is to give"))
    return failed(
        f"{told}, which is near no perfect score",
        where=candidate.place(candidate.module.evaluate),
        advice="find where loss and metric disagree: target, positions, classes, decoding, or what training is given",
    )


def _first(dataset: Dataset) -> Dataset:
    """Give the first rows of a part, with their columns where it has them."""
    count = min(_ROWS, len(dataset))
    if isinstance(dataset, TensorDataset):
        first = TensorDataset(*(column[:count] for column in dataset.tensors))
        first.__dict__.update({name: value for name, value in vars(dataset).items() if name != "tensors"})
        return first
    return Subset(dataset, range(count))


def _is_reward(candidate: Candidate, network: nn.Module, rows: Dataset, score: float) -> bool:
    """Tell whether a negative score stays when each row asks for what another one asked for."""
    if score >= 0 or not isinstance(rows, TensorDataset):
        return False
    inputs = candidate.model_inputs(list(rows.tensors))
    exchanged = copy.copy(rows)
    exchanged.tensors = tuple(
        column if any(column is given for given in inputs) else column.roll(1, 0) for column in rows.tensors
    )
    return _score(candidate, network, exchanged) == score


def _score(candidate: Candidate, network: nn.Module, rows: Dataset) -> float | None:
    torch.manual_seed(0)
    score = candidate.module.evaluate(network, rows)
    return float(score) if isinstance(score, int | float | torch.Tensor) else None
