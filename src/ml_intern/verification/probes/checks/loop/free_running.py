"""A metric of decoded text does not show the network the answers while it decodes.

What is said to be decoded, generated or translated greedily may not change what the network is given when only the
answers in the data change.

Source: Lamb et al., "Professor forcing", arXiv 1610.09038 §1, on teacher forcing and free running.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, inconclusive, not_applicable
from torch import nn
from torch.utils.data import Subset, TensorDataset

_WORDS = re.compile(r"\b(?:greedy|decod\w+|generat\w+|beam|free.running|autoregressive\w*)\b", re.IGNORECASE)
_FORCED = re.compile(r"teacher|forc|perplexity|loss|\bnll\b", re.IGNORECASE)
_ROWS = 24


@check(family="loop", cost="moderate", needs=("forward", "evaluate", "loss"))
def free_running(candidate: Candidate) -> Outcome | None:
    """Evaluate twice, the answers of the rows exchanged in between, and compare what every layer was given."""
    candidate.task_in("seq2seq")
    said = inspect.getdoc(candidate.module.evaluate) or ""
    if not _WORDS.search(said) or _FORCED.search(said):
        return not_applicable("evaluate is not said to decode")
    part = candidate.splits["val"]
    if not isinstance(part, TensorDataset):
        return not_applicable("the rows are not in tensors")
    columns = [column[:_ROWS] for column in part.tensors]
    if any(one.shape == columns[-1].shape and torch.equal(one, columns[-1]) for one in candidate.model_inputs(columns)):
        return not_applicable("the network is rightly given the last column of the rows")
    network = candidate.build()
    first = _tokens(candidate, network, columns)
    other = _tokens(candidate, network, [*columns[:-1], columns[-1].roll(1, 0)])
    if first is None or other is None:
        return inconclusive("the network is given no tokens")
    if len(first) == len(other) and all(torch.equal(a, b) for a, b in zip(first, other, strict=True)):
        return None
    return failed(
        "exchanging the answers of the rows changes what the network is given while it is said to decode",
        where=candidate.place(candidate.module.evaluate),
        advice="feed the network its own tokens, one at a time, and compare at the end",
    )


def _tokens(candidate: Candidate, network: nn.Module, columns: list[torch.Tensor]) -> list[torch.Tensor] | None:
    """Give the tokens that embeddings were asked for in an evaluation."""
    rows = Subset(TensorDataset(*columns), range(len(columns[0])))
    with _watched(network) as seen:
        torch.manual_seed(0)
        candidate.module.evaluate(network, rows)
    return seen or None


@contextmanager
def _watched(network: nn.Module) -> Iterator[list[torch.Tensor]]:
    seen: list[torch.Tensor] = []

    def watch(module: nn.Module, given: tuple) -> None:
        seen.extend(value.clone() for value in given if isinstance(value, torch.Tensor) and value.dtype == torch.int64)

    hooks = [m.register_forward_pre_hook(watch) for m in network.modules() if isinstance(m, nn.Embedding)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
