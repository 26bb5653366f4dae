"""What a network is asked for does not already stand in what it is given.

Source: Kaufman et al., "Leakage in data mining" (2012); for decoders, the shift to the right of Vaswani et al., arXiv
1706.03762 §3.1, and the masked tokens of Devlin et al., arXiv 1810.04805 §3.1. Which class the loss asks for at a
position is read from its gradient at equal logits.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from probes.asked import asked_classes
from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, check, failed, not_applicable
from torch.utils.data import DataLoader, Subset

_ROWS = 48
_COLUMNS = 20_000
_ASKED = 256
_VISIBLE = 0.5
"""Share of the places that a masked language model may be asked about and shown; BERT shows a tenth."""
_GIVES_BACK = ("reconstruction", "denoising", "contrastive", "density", "detection")
"""Tasks that ask for their input."""


@check(family="data", cost="moderate", needs=("forward", "loss", "splits"))
def answer_in_input(candidate: Candidate) -> Outcome | None:
    """Compare the classes or values asked for with the tokens or numbers given, place by place."""
    if candidate.contract.task in _GIVES_BACK or not candidate.is_single:
        return not_applicable("only where one output is asked for something else than the input")
    part = candidate.splits["train"]
    rows = Subset(part, range(min(_ROWS, len(part))))
    batch = [tensor for tensor in next(iter(DataLoader(rows, batch_size=_ROWS))) if isinstance(tensor, torch.Tensor)]
    inputs = list(candidate.model_inputs(batch))
    finding = next(_tokens(candidate, batch, inputs), None) or next(_numbers(candidate, batch, inputs), None)
    if finding is None:
        return None
    return failed(
        finding,
        where=candidate.place(getattr(candidate.module, "model_inputs", candidate.module.make_splits)),
        advice="give only what is known before the answer: a decoder gets the target shifted by one, a window ends "
        "before its target begins",
    )


def _tokens(candidate: Candidate, batch: Tensors, inputs: Tensors) -> Iterator[str]:
    """Tell of an input whose token is at each counted place the class asked for there, or of one too far ahead."""
    asked, counts = asked_classes(candidate, batch, inputs)
    if asked is None or asked.ndim != 2 or len(asked[counts].unique()) < 3:
        return
    ahead = {}
    for spec, given in zip(candidate.contract.inputs, inputs, strict=False):
        if given.dtype == torch.int64 and given.ndim == 2:
            ahead = {shift: _agrees(given, asked, counts, shift) for shift in range(4)}
            if candidate.contract.task == "mlm" and (share := _visible(given, asked, counts)) > _VISIBLE:
                yield f"at {share:.0%} of the places that count, {spec.name!r} shows the token that the loss asks for"
            if ahead[0] and not ahead[1]:
                yield f"at every place the input {spec.name!r} is the class that the loss asks for there"
            further = [shift for shift in (2, 3) if ahead[shift] and not ahead[1]]
            if further and candidate.contract.task == "lm":
                yield f"at every place the loss asks for the token {further[0]} places ahead, not for the next one"


def _visible(given: torch.Tensor, asked: torch.Tensor, counts: torch.Tensor) -> float:
    """Give the share of the counted places at which the input is what is asked for."""
    if given.shape != asked.shape or not counts.any():
        return 0.0
    return float((given == asked)[counts].float().mean())


def _agrees(given: torch.Tensor, asked: torch.Tensor, counts: torch.Tensor, shift: int) -> bool:
    size = min(given.shape[1] - shift, asked.shape[1])
    here = counts[:, :size]
    return size > 1 and bool(here.any()) and bool((given[:, shift : shift + size] == asked[:, :size])[here].all())


def _numbers(candidate: Candidate, batch: Tensors, inputs: Tensors) -> Iterator[str]:
    """Tell of a number of the target that stands in the input of each row, at the same place, and counts."""
    target = batch[-1]
    if candidate.contract.task != "regression" or not target.is_floating_point() or len(batch) < 2:
        return
    given = torch.cat([one.reshape(len(one), -1).to(target.dtype) for one in inputs], dim=1)[:, :_COLUMNS]
    asked = target.reshape(len(target), -1)
    output = candidate.run(candidate.network, inputs)[0]
    loss = candidate.loss(output, batch)
    for place in range(min(asked.shape[1], _ASKED)):
        column = asked[:, place : place + 1]
        if len(column.unique()) < len(column) // 4:
            continue
        shown = (given == column).all(0).nonzero().flatten()
        if candidate.contract.causal:  # what comes later in the input than the answer is not seen
            shown = shown[shown <= place] if given.shape == asked.shape else shown[:0]
        if not len(shown):
            continue
        moved = asked.clone()
        moved[:, place] += 1
        if not torch.equal(candidate.loss(output, [*batch[:-1], moved.reshape(target.shape)]), loss):
            yield f"element {place} of the target stands in the input of every row, at one place"
