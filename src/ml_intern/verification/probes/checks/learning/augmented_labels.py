"""What augmentation makes of a row still looks like the class of its label.

A network that learnt from the rows as they are is asked about those that the loop makes of them. Two classes that it
takes for each other there, and nowhere else, were exchanged: a mirrored arrow points right and is still called left.

Source: Shorten and Khoshgoftaar, "A survey on image data augmentation" (2019), on transforms that preserve the label.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.recording import notes_of
from torch import nn

_STEPS, _ROWS, _RATE = 240, 48, 4e-3
_KNOWN = 0.8
"""Accuracy on the validation part from which on the network is asked."""
_EXCHANGED, _MISTAKEN = 0.25, 0.1
"""Share of a class that is taken for the other among augmented rows, and at most among others."""


@check(family="learning", cost="dear", needs=("forward", "loss", "run", "overfit-batch"))
def augmented_labels(candidate: Candidate) -> Outcome | None:
    """Train on the rows as they are, then look at whom the network takes augmented rows for."""
    if candidate.contract.task != "classification" or candidate.contract.oracle != "onehot":
        return not_applicable("only for classification")
    made = notes_of(candidate).augmented
    if not made:
        return not_applicable("the loop trains on the rows as they are")
    network = _trained(candidate)
    plain = _confused(candidate, network, [candidate.rows("val")])
    if plain.trace() < _KNOWN * plain.sum():
        return not_applicable("the network learnt too little of the rows as they are")
    seen = _confused(candidate, network, made)
    plain, seen = (counts / counts.sum(1, keepdim=True).clamp(min=1) for counts in (plain, seen))
    both_ways = torch.minimum(seen, seen.T).triu(1)
    one, other = divmod(int(both_ways.argmax()), len(seen))
    if both_ways[one, other] < _EXCHANGED or max(plain[one, other], plain[other, one]) > _MISTAKEN:
        return passed("augmented rows are taken for the classes of their labels")
    return failed(
        f"of augmented rows, {seen[one, other]:.0%} of class {one} look like class {other} and {seen[other, one]:.0%} "
        "the other way, which rows as they are do not",
        where=candidate.place(candidate.module.train),
        advice="change the label with the row, or leave out the transform that exchanges the two classes",
    )


def _trained(candidate: Candidate) -> nn.Module:
    network = candidate.build().train()
    rows = candidate.rows("train")
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=0.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(_STEPS):
        chosen = torch.randint(len(rows[0]), (_ROWS,), generator=generator)
        batch = [column[chosen] for column in rows]
        loss = candidate.loss(network(*candidate.model_inputs(batch)), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def _confused(candidate: Candidate, network: nn.Module, batches: list[Tensors]) -> torch.Tensor:
    """Count how often a class (rows) is taken for another (columns)."""
    count = candidate.contract.classes
    counts = torch.zeros(count, count)
    for batch in batches:
        answers = candidate.run(network, candidate.model_inputs(batch))[0].argmax(1)
        for label, answer in zip(batch[-1].tolist(), answers.tolist(), strict=True):
            counts[label, answer] += 1
    return counts
