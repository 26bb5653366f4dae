"""No row is in two parts of the data.

Source: Kapoor and Narayanan, "Leakage and the reproducibility crisis in machine-learning-based science" (2023).
"""

from __future__ import annotations

import itertools
from collections import Counter

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check, failed

_SHARE = 0.05
"""Of the smaller part; short discrete rows repeat by chance."""
_FEW = 10
"""Different numbers, such as the rewards of a game, whose states come again."""
_CHANCE = 3
"""Times the pairs of equal rows that chance gives, judged by those within the parts."""


@check(family="data", cost="cheap", needs=("splits",))
def overlap(candidate: Candidate) -> Outcome | None:
    """Compare whole rows, inputs and labels; discrete rows may be equal across parts as often as within them."""
    parts = {name: _rows(candidate, name) for name in candidate.splits}
    within = sum(_pairs(rows, rows) - rows.total() for rows in parts.values()) / 2
    likely = within / max(1, sum(rows.total() * (rows.total() - 1) / 2 for rows in parts.values()))
    for one, other in itertools.combinations(parts, 2):
        shared = len(parts[one].keys() & parts[other].keys())
        small = min(len(parts[one]), len(parts[other]))
        discrete = all(_is_discrete(tensor) for tensor in candidate.rows(one))
        by_chance = _CHANCE * likely * parts[one].total() * parts[other].total()
        if shared and (not discrete or (shared > _SHARE * small and _pairs(parts[one], parts[other]) > by_chance)):
            return failed(
                f"{shared} rows are both in {one} and in {other}",
                where=candidate.place(candidate.module.make_splits),
                advice="split disjoint index ranges of one permutation; drop duplicates before splitting",
            )
    return None


def _is_discrete(tensor: torch.Tensor) -> bool:
    """Tell whether it holds whole numbers, in whatever type, as bits of pictures are floats often, or few others."""
    if not tensor.is_floating_point() or bool((tensor == tensor.round()).all()):
        return True
    return len(tensor.unique()) <= _FEW


def _rows(candidate: Candidate, part: str) -> Counter[bytes]:
    dataset = candidate.splits[part]
    return Counter(b"".join(_bytes(tensor) for tensor in dataset[place]) for place in range(len(dataset)))


def _pairs(one: Counter[bytes], other: Counter[bytes]) -> int:
    """Count pairs of a row of `one` and an equal row of `other`."""
    return sum(times * other[row] for row, times in one.items())


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().contiguous().numpy().tobytes() if isinstance(tensor, torch.Tensor) else repr(tensor).encode()
