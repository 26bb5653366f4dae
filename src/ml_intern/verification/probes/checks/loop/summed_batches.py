"""Gradients of several batches that make one step are averaged: each loss is divided by their number.

Source: PyTorch documentation, "Automatic mixed precision examples", section on gradient accumulation:
`loss = loss / iters_to_accumulate`.
"""

from __future__ import annotations

import statistics

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.recording import notes_of


@check(family="loop", cost="dear", needs=("forward", "loss", "run", "optimizer-use"))
def summed_batches(candidate: Candidate) -> Outcome | None:
    """Count backward passes a step, and look whether each starts at the loss itself or at a share of it."""
    notes = notes_of(candidate)
    if notes.steps < 2 or not notes.whole:
        return not_applicable("the loop does not step")
    passes = round(len(notes.whole) / notes.steps)
    if passes < 2 or abs(len(notes.whole) - passes * notes.steps) > passes:
        return not_applicable("one batch makes one step")
    is_whole = statistics.fmean(notes.whole) > 0.9
    if not is_whole or ("adam" in notes.optimizer.lower() and not notes.clipped):
        return passed(f"{passes} batches a step")
    return failed(
        f"{passes} batches make one step, and the loss of each goes backward undivided: their gradients are summed",
        where=candidate.place(candidate.module.train),
        advice=f"(loss / {passes}).backward(), or whatever number of batches is accumulated",
    )
