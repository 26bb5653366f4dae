"""Every input matters, and every part of it."""

from __future__ import annotations

import torch
from probes.candidate import Candidate, Tensors
from probes.checks.base import Outcome, check, failed
from probes.drawing import changed

_UNUSED = 0.02
"""Share of an input that may be without influence; more with zero slopes by chance or by borders."""
_COLUMNS = 16
"""Up to which an input of integers is taken for a table of categories."""


@check(family="invariances", cost="cheap", needs=("forward",))
def input_use(candidate: Candidate) -> Outcome | None:
    """Change each input; follow the slope to every element of those that have one."""
    for place, spec in enumerate(candidate.contract.inputs):
        fixed = spec.dtype == "int64" and spec.high is not None and spec.high - spec.low <= 1
        if spec.role == "padding_mask" or fixed:
            continue
        name = spec.name or f"number {place + 1}"
        before = candidate.inputs(4, seed=1)
        after = [given.clone() for given in before]
        after[place] = changed(spec, before[place], torch.Generator().manual_seed(9))
        outputs, moved = candidate.run(candidate.warm, before), candidate.run(candidate.warm, after)
        if all(torch.equal(a, b) for a, b in zip(outputs, moved, strict=True)):
            return failed(
                f"input {name!r} has no influence on the output",
                where=candidate.forward_place,
                advice="forward ignores it, overwrites it, or computes something from it that is not used",
            )
        if spec.dtype in {"float32", "uniform01"} and spec.role is None and spec.high is None:
            share = _without_slope(candidate, place)
            if share > _UNUSED:
                return failed(
                    f"{share:.0%} of input {name!r} has no influence on the output",
                    where=candidate.forward_place,
                    advice="a slice, stride, index or view leaves part of it out",
                )
        if (column := _unread_column(candidate, place)) is not None:
            return failed(
                f"column {column} of input {name!r} has no influence on the output, others have",
                where=candidate.forward_place,
                advice="look at the index that picks the columns: a loop variable may be missing in it",
            )
    return None


def _unread_column(candidate: Candidate, place: int) -> int | None:
    """Give a column of a small table of categories that moves nothing, at whatever rows and however many draws."""
    spec = candidate.contract.inputs[place]
    is_table = len(spec.shape) == 2 and isinstance(spec.shape[1], int) and 1 < spec.shape[1] <= _COLUMNS
    if not is_table or spec.dtype != "int64" or spec.role is not None or candidate.contract.pad_id is not None:
        return None
    for column in range(spec.shape[1]):
        if not any(_moves(candidate, place, column, seed) for seed in range(3)):
            return column
    return None


def _moves(candidate: Candidate, place: int, column: int, seed: int) -> bool:
    before = candidate.inputs(16, seed=40 + seed)
    after = [given.clone() for given in before]
    other = changed(candidate.contract.inputs[place], before[place], torch.Generator().manual_seed(seed))
    after[place][:, column] = other[:, column]
    outputs, moved = candidate.run(candidate.warm, before), candidate.run(candidate.warm, after)
    return any(not torch.equal(a, b) for a, b in zip(outputs, moved, strict=True))


def _in_full(candidate: Candidate, inputs: Tensors) -> Tensors:
    """Make numbers of valid steps, one a row and at most the length of another input, as large as they may be."""
    lengths = {given.shape[1] for given in inputs if given.ndim > 1}
    made = []
    for given, spec in zip(inputs, candidate.contract.inputs, strict=True):
        counts = given.dtype == torch.int64 and given.ndim == 1 and spec.high is not None and spec.low > 0
        length = next((size for size in lengths if counts and spec.high in {size, size + 1}), None)
        made.append(given if length is None else torch.full_like(given, length))
    return made


def _without_slope(candidate: Candidate, place: int) -> float:
    """Give the share of elements without a slope on any of several draws: one draw may close a rectifier."""
    unused: torch.Tensor | None = None
    for seed in range(3):
        inputs = _in_full(candidate, candidate.inputs(4, seed=20 + seed))
        inputs[place] = inputs[place].clone().requires_grad_()
        output = candidate.warm(*inputs)
        outputs = output if isinstance(output, tuple | list) else [output]
        weighed = sum((o * torch.randn_like(o)).sum() for o in outputs if o.is_floating_point() and o.requires_grad)
        if not isinstance(weighed, torch.Tensor):
            return 0.0
        (slope,) = torch.autograd.grad(weighed, inputs[place], allow_unused=True)
        if slope is None:
            return 0.0
        still = (slope == 0).all(0)
        unused = still if unused is None else unused & still
    return unused.float().mean().item()
