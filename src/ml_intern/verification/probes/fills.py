"""Compare two answers beside what a network writes at masked places, so that the rest has its own scale.

Beside -1e9 the difference between two answers is nothing, whatever they are.
"""

from __future__ import annotations

import torch

_FILL = -1e4
"""From here down one and the same value again and again is a filling; half precision begins to lose numbers there."""


def agree(reference: torch.Tensor, other: torch.Tensor, tolerance: float) -> bool:
    """Compare two tensors of one shape against the largest value of `reference`.

    Half precision is given what it cannot keep.
    """
    if reference.dtype in {torch.float16, torch.bfloat16}:
        tolerance = max(tolerance, 2e-2)
    reference, other = _without_fills(reference.double(), other.double(), tolerance)
    return reference.numel() == 0 or bool((other - reference).abs().max() <= tolerance * (1 + reference.abs().max()))


def _without_fills(first: torch.Tensor, second: torch.Tensor, tolerance: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Give both without the places that both fill with one value; as they are where they fill different places."""
    filled = second <= _FILL
    if not bool(filled.any()) or not torch.equal(filled, first <= _FILL):
        return first, second
    values = torch.cat([first[filled], second[filled]])
    if not torch.allclose(values, values[:1].expand_as(values), rtol=tolerance, atol=0.0):
        return first, second
    return first[~filled], second[~filled]
