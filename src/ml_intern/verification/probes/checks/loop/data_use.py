"""Training reads the training part only, all of it and shuffled; the test part is scored once, at the end.

Source: Kapoor and Narayanan (2023); Lones, "How to avoid machine learning pitfalls", arXiv 2108.02497.
"""

from __future__ import annotations

from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed
from probes.recording import Notes, notes_of

_CHANCE = 0.01
"""Share of the rows drawn that may look like another: one that is corrupted anew each time may become any other."""


@check(family="loop", cost="dear", needs=("forward", "loss", "run"))
def data_use(candidate: Candidate) -> Outcome | None:
    """Look at which rows were read, when, and with which labels."""
    notes = notes_of(candidate)
    problem = _splits(notes) or _rows(candidate, notes)
    if problem is None:
        return None
    what, advice = problem
    return failed(what, where=candidate.place(candidate.module.train), advice=advice)


def _splits(notes: Notes) -> tuple[str, str] | None:
    foreign = {part for part, _ in notes.read_by_training} - {"train"}
    if foreign:
        return f"training reads rows of {', '.join(sorted(foreign))}", "train on splits['train'] only"
    if any(during and "test" in parts for parts, during in notes.evaluations):
        return "the test part is scored during training", "select on splits['val']; score the test part at the end"
    last = notes.evaluations[-1] if notes.evaluations else None
    if last is not None and not last[1] and last[0] and last[0] != {"test"}:
        return f"the reported result comes from {', '.join(sorted(last[0]))}", "report on splits['test']"
    return None


def _rows(candidate: Candidate, notes: Notes) -> tuple[str, str] | None:
    drawn = notes.read_by_training
    if notes.mismatched > _CHANCE * len(drawn):
        return (
            f"{notes.mismatched} rows come with a label that the data do not have for them",
            "shuffle inputs and labels together, in the data set or the loader",
        )
    distinct, available = len(set(drawn)), len(candidate.splits["train"])
    if drawn and distinct < 0.6 * min(available, len(drawn)):
        return (
            f"{len(drawn)} draws see {distinct} of {available} rows",
            "keep one iterator over the shuffled loader, and begin it anew only when it ends",
        )
    if notes.classes and candidate.contract.classes:
        count = candidate.contract.classes
        present = {int(label) for label in candidate.rows("train")[-1].unique()}
        count = len(present) or count
        expected = sum(count * (1 - (1 - 1 / count) ** rows) for _, rows in notes.classes)
        if sum(seen for seen, _ in notes.classes) < 0.6 * expected:
            return "batches hold few classes each: the data are sorted", "shuffle=True in the training loader"
    return None
