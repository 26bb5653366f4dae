"""What `evaluate` gives does not depend on its `batch_size`: no mean of batches, nothing left out or ranked in one.

Losses are not asked: contrastive ones, and means over tokens or weights, rightly depend on what shares a batch.

Source: metamorphic testing; this project's notes on evaluation bugs (last batch only, mean of batches).
"""

from __future__ import annotations

import contextlib
import inspect
import re

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, StopError, check, failed, not_applicable
from probes.metric_names import called, mentioned
from probes.stand_ins import prepare
from torch import nn

_TOLERANCE = 1e-4
_SMALL = 1e-2
"""Relative, but to no value that is smaller: rounding differs with the size of batches."""
_ODD = 7
"""A batch size that few parts of data are a multiple of."""
_DRAWN = re.compile(r"rand|seed|generator|noise|sample|perm", re.IGNORECASE)
"""Names in an `evaluate` that draws numbers, batch by batch."""
_STAND_IN, _UNTRAINED = "a stand-in that is better on the first rows", "an untrained network"
_COUNTED = "sum counts, or keep outputs and labels, over all batches and compute the metric once"
_PLACED = "the stand-in's value does not: what the network gives for a row depends on its place in the batch"
_BY_BATCH = frozenset({"loss", "log_loss", "altered"})


@check(family="loop", cost="moderate", needs=("forward", "evaluate", "batch-independence", "eval-determinism"))
def evaluation_batches(candidate: Candidate) -> Outcome | None:
    """Evaluate a stand-in that is better on the first rows, and an untrained network, with three sizes of batches."""
    evaluate, count = candidate.module.evaluate, len(candidate.splits["val"])
    usual = inspect.signature(evaluate).parameters.get("batch_size")
    if usual is None or not isinstance(usual.default, int) or count < 3:
        return not_applicable("evaluate has no parameter batch_size with a default")
    if _DRAWN.search(" ".join(inspect.unwrap(evaluate).__code__.co_names)):
        return not_applicable("evaluate draws numbers")
    if candidate.contract.task == "contrastive" or _BY_BATCH & (mentioned(candidate) | called(candidate)):
        return not_applicable("a loss, or what is said to be taken by batch, may depend on what shares a batch")
    networks = _networks(candidate)
    for told, network in networks.items():
        first, again = (_value(candidate, network, usual.default, seed) for seed in (0, 1))
        if first is None or first != again:
            return not_applicable("evaluate gives no number, or another one when it is asked again")
        for size in (_ODD, count):
            other = _value(candidate, network, size, seed=0)
            if other is not None and abs(other - first) > _TOLERANCE * max(abs(first), abs(other), _SMALL):
                return failed(
                    f"{told} scores {first:.6g} in batches of {usual.default} and {other:.6g} in batches of {size}",
                    where=candidate.place(evaluate),
                    advice=_PLACED if told == _UNTRAINED and _STAND_IN in networks else _COUNTED,
                )
    return None


def _networks(candidate: Candidate) -> dict[str, nn.Module]:
    networks: dict[str, nn.Module] = {}
    with contextlib.suppress(StopError):  # of outputs that no contract explains
        networks[_STAND_IN] = prepare(candidate)[1].network
    return networks | {_UNTRAINED: candidate.build()}


def _value(candidate: Candidate, network: nn.Module, size: int, seed: int) -> float | None:
    torch.manual_seed(seed)
    with torch.no_grad():
        given = candidate.module.evaluate(network.eval(), candidate.splits["val"], batch_size=size)
    return float(given) if isinstance(given, int | float | torch.Tensor) else None
