"""A network that writes is taught to end and not to fill up: the end is asked for in the data, padding is not.

Source: Sutskever et al., "Sequence to sequence learning", arXiv 1409.3215 §2, on the end-of-sentence symbol; the
`ignore_index` of PyTorch's CrossEntropyLoss. What the loss asks for is read from its gradient at equal logits.
"""

from __future__ import annotations

import ast
import re

import torch
from probes.asked import asked_classes
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable
from torch.utils.data import DataLoader, Subset

_ROWS = 256
_END = re.compile(r"(?:\w+_)?(?:EOS|EOT|END|STOP)(?:_(?:ID|IDX|TOKEN))?")
_PREPARE = ("load_raw", "make_splits")


@check(family="data", cost="moderate", needs=("forward", "loss", "splits"))
def asked_tokens(candidate: Candidate) -> Outcome | None:
    """Look at which tokens the loss asks for over the first rows of the training part."""
    candidate.task_in("seq2seq", "lm")
    part = candidate.splits["train"]
    rows = Subset(part, range(min(_ROWS, len(part))))
    batch = [tensor for tensor in next(iter(DataLoader(rows, batch_size=_ROWS))) if isinstance(tensor, torch.Tensor)]
    asked, counts = asked_classes(candidate, batch, list(candidate.model_inputs(batch)))
    if asked is None or asked.ndim != 2:
        return not_applicable("the loss does not ask for one class at each place")
    where = candidate.place(candidate.module.compute_loss)
    has_end = any(_END.fullmatch(name) for name in vars(candidate.module))  # where none has, padding is the end
    padding = counts & (asked == candidate.contract.pad_id) if candidate.contract.pad_id is not None else None
    if has_end and padding is not None and bool((padding[:, 1:] & padding[:, :-1]).any()):
        return failed(
            f"the loss asks for padding at {int(padding.sum())} of {int(counts.sum())} places",
            where=where,
            advice=f"pass ignore_index={candidate.contract.pad_id} to cross_entropy, or weigh by a mask",
        )
    name, end = _end(candidate)
    if name and not bool((counts & (asked == end)).any()):
        return failed(
            f"the loss never asks for {name} ({end}), which decoding waits for",
            where=candidate.place(candidate.module.make_splits),
            advice="end each target with it, and count that place in the loss",
        )
    return None


def _end(candidate: Candidate) -> tuple[str, int]:
    """Give name and number of the token that ends a sequence, where functions look for it that make no data."""
    functions = [
        node for node in ast.walk(candidate.tree) if isinstance(node, ast.FunctionDef) and node.name not in _PREPARE
    ]
    compared = {
        name.id
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Compare)
        for name in ast.walk(node)
        if isinstance(name, ast.Name)
    }
    for name, value in vars(candidate.module).items():
        if name in compared and _END.fullmatch(name) and type(value) is int and value < candidate.contract.classes:
            return name, value
    return "", -1
