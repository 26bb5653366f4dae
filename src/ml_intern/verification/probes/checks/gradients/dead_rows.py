"""No block of rows of a weight is left out, as when only the first position embedding is added everywhere."""

from __future__ import annotations

import torch
from probes.candidate import TIME, Candidate
from probes.checks.base import Outcome, check, failed
from probes.checks.gradients.dead_parameters import gradients
from probes.locate import assigned_at
from torch import nn

_SHARE = 0.2
_FEWEST = 3


@check(family="gradients", cost="cheap", needs=("forward", "loss", "dead-parameters"))
def dead_rows(candidate: Candidate) -> Outcome | None:
    """Look for consecutive rows without a gradient; tables that are looked up by a symbol's length may be longer."""
    modules = dict(candidate.network.named_modules())
    for name, slope in gradients(candidate).items():
        owner = modules.get(name.rpartition(".")[0])
        if slope is None or slope.ndim < 2 or isinstance(owner, nn.Embedding | nn.EmbeddingBag):
            continue
        table = slope[0] if slope.shape[0] == 1 and slope.ndim > 2 else slope
        if _is_looked_up(candidate, len(table)):
            continue
        start, run = _longest_run((table.flatten(1).amax(1) == 0).tolist())
        is_spare_end = start + run == len(table) and start > 2
        if run >= max(_FEWEST, _SHARE * len(table)) and not is_spare_end and not _is_rectified(slope):
            return failed(
                f"{run} consecutive rows of {len(table)} of {name}"
                f"{assigned_at(candidate.network, name, candidate.root)} never get a gradient",
                where=candidate.forward_place,
                advice="a slice, index or broadcast takes only part of it; check the axis that it is indexed by",
            )
    return None


def _is_looked_up(candidate: Candidate, rows: int) -> bool:
    """Tell whether some rows may rightly stay unused: tables by length, or by an integer input."""
    by_value = any(spec.high is not None and rows >= spec.high for spec in candidate.contract.inputs)
    return by_value or (candidate.has_lengths and rows > TIME)


def _is_rectified(slope: torch.Tensor) -> bool:
    """Tell a layer of mostly closed rectifiers, whose dead rows lie scattered as well."""
    dead = slope.flatten(1).amax(1) == 0
    _, run = _longest_run(dead.tolist())
    return bool(dead.sum() > run + 1)


def _longest_run(dead: list[bool]) -> tuple[int, int]:
    best, start, run = (0, 0), 0, 0
    for place, is_dead in enumerate(dead):
        run = run + 1 if is_dead else 0
        start = place - run + 1
        best = max(best, (run, start))
    return best[1], best[0]
