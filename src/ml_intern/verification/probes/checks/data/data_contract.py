"""The data have the declared kinds, are finite and roughly normalised, and labels lie in their range.

Source: Zinkevich, "Rules of machine learning" (Google), rule 4 on data sanity; this project's notes.
"""

from __future__ import annotations

import torch
from probes.candidate import Candidate, Tensors, all_close
from probes.checks.base import Outcome, check, failed, not_applicable

_TRIED = 8
"""Rows that are given to the network as they are and normalised."""
_ALIKE = 0.05
"""What a small constant that keeps a deviation from zero may change."""


@check(family="data", cost="cheap", needs=("splits",), crash=True)
def data_contract(candidate: Candidate) -> Outcome | None:
    """Look at the whole training part, and at the labels of every part."""
    where = candidate.place(candidate.module.make_splits)
    rows = candidate.rows("train")
    if len(rows) < max(len(candidate.contract.batch), len(candidate.contract.inputs)):
        return not_applicable("rows of the data are not yet what model_inputs takes: the loop makes the rest")
    for given, spec in zip(candidate.model_inputs(rows), candidate.contract.inputs, strict=False):
        problem, advice = _input(given, spec)
        if problem and not _have_ranges_of_their_own(given, spec) and not _normalises_itself(candidate, given):
            return failed(f"input {spec.name!r} of the training part {problem}", where=where, advice=advice)
    return _labels(candidate, where)


def _input(given: torch.Tensor, spec) -> tuple[str, str]:
    wanted = "float32" if spec.dtype == "uniform01" else spec.dtype
    kind = str(given.dtype).removeprefix("torch.")
    if kind != wanted:
        return f"is {kind}, declared is {wanted}", f"convert it once in make_splits: .to(torch.{wanted})"
    if given.is_floating_point():
        return _scale(given, spec)
    if spec.high is not None and (int(given.max()) >= spec.high or int(given.min()) < 0):
        return f"holds {int(given.max())}, ids end at {spec.high - 1}", "correct the vocabulary or the contract"
    return "", ""


def _have_ranges_of_their_own(given: torch.Tensor, spec) -> bool:
    """Tell whether ids are columns of a table that end at different values: one declared range cannot hold for all."""
    if given.is_floating_point() or given.ndim != 2 or not isinstance(spec.shape[-1], int) or int(given.min()) < 0:
        return False
    ends = given.amax(0)
    return bool((ends < spec.high).any()) and len(ends.unique()) > 1


def _normalises_itself(candidate: Candidate, given: torch.Tensor) -> bool:
    """Tell whether the network takes mean and deviation out of its only input: it gives the same, or in its units."""
    if len(candidate.contract.inputs) != 1 or not given.is_floating_point() or not bool(given.isfinite().all()):
        return False
    rows, mean, deviation = given[:_TRIED], given.mean(), given.std()
    raw = candidate.run(candidate.warm, [rows])
    normal = candidate.run(candidate.warm, [(rows - mean) / deviation])
    return all_close(raw, normal, _ALIKE) or all_close([(o - mean) / deviation for o in raw], normal, _ALIKE)


def _scale(given: torch.Tensor, spec) -> tuple[str, str]:
    if not bool(given.isfinite().all()):
        return "holds NaN or infinity", "drop or fill missing values before the splits"
    free = spec.role is None and spec.dtype == "float32" and spec.high is None
    mean, deviation = given.mean().item(), given.std().item()
    if free and (abs(mean) > 5 or deviation > 10 or deviation < 0.02):
        return (
            f"is not normalised: mean {mean:.3g}, standard deviation {deviation:.3g}",
            "subtract mean and divide by deviation, both of the training part",
        )
    return "", ""


def _labels(candidate: Candidate, where: str) -> Outcome | None:
    target, task = candidate.contract.target, candidate.contract.task
    if target is None or target.dtype != "int64" or task == "transducer":
        return None
    for part in candidate.splits:
        values = _counted(candidate.rows(part), target)
        if values.numel() == 0:
            continue
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= target.high:
            return failed(
                f"labels of the {part} part lie in [{low}, {high}], declared is [0, {target.high - 1}]",
                where=where,
                advice="count classes from 0; mark what does not count with the ignored label",
            )
        if task == "classification" and len(values.unique()) < 2:
            return failed(
                f"the {part} part has one class only",
                where=where,
                advice="check the label column, and shuffle before splitting",
            )
    return None


def _counted(rows: Tensors, target) -> torch.Tensor:
    values = rows[-1]
    return values if target.ignore is None else values[values != target.ignore]
