"""A picture that is flipped or turned when it is read takes along what lies on it: mask, depth, second picture.

Source: Buslaev et al., "Albumentations" (2020): spatial transforms are applied to images and masks alike.
"""

from __future__ import annotations

import itertools

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed, not_applicable, passed
from probes.dihedral import Way, ways_between
from torch.utils.data import Dataset

_ROWS, _DRAWS = 6, 12


@check(family="data", cost="cheap", needs=("splits",))
def aligned_augmentation(candidate: Candidate) -> Outcome | None:
    """Read rows again and again; find how the picture was moved, and move the rest that way."""
    part = candidate.splits.get("train")
    if part is None or candidate.contract.task == "contrastive" or len(_pictures(part, 0)) < 2:
        return not_applicable("rows do not hold a picture and something that lies on it")
    pairs = 0
    for place in range(min(_ROWS, len(part))):
        draws = []
        for seed in range(_DRAWS):
            torch.manual_seed(seed)
            draws.append(_pictures(part, place))
        for one, other in itertools.pairwise(draws):
            ways = ways_between(one[0], other[0])
            pairs += bool(ways)
            if ways and not any(_comes_along(way, one, other, draws) for way in ways):
                return failed(
                    f"row {place} of the training part comes flipped or turned, and what lies on the picture does not "
                    "come along",
                    where=candidate.place(type(part)),
                    advice="apply the same flip, crop or rotation to picture and mask, drawn once",
                )
    return passed(f"{pairs} pairs of draws")


def _comes_along(way: Way, one: list[torch.Tensor], other: list[torch.Tensor], draws: list) -> bool:
    """Tell whether all that lies on the picture moved as it did; a second picture may have moves of its own."""
    for place, (before, after) in enumerate(zip(one, other, strict=True)):
        is_view = before.is_floating_point() and any(not torch.equal(before, draw[place]) for draw in draws)
        if not is_view and not torch.equal(way(before), after):
            return False
    return True


def _pictures(part: Dataset, place: int) -> list[torch.Tensor]:
    """Give the tensors of a row that lie on the picture, which is the first of them."""
    row = part[place]
    found = [value for value in (row if isinstance(row, tuple | list) else ()) if isinstance(value, torch.Tensor)]
    if not found or found[0].ndim < 2 or min(found[0].shape[-2:]) < 3:
        return []
    return [value for value in found if value.ndim >= 2 and value.shape[-2:] == found[0].shape[-2:]]
