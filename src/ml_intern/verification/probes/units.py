"""Tell whether two collections of numbers are in the same units."""

from __future__ import annotations

import torch

FACTOR = 8.0
"""Between spreads, and from mean to mean in spreads: more than parts of one set differ by."""


def differ(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Compare mean and spread; what does not vary tells nothing."""
    deviation, spread = one.std().item(), other.std().item()
    if not deviation > 0 or not spread > 0:
        return False
    is_apart = abs(other.mean().item() - one.mean().item()) > FACTOR * deviation
    return is_apart or spread > FACTOR * deviation or spread < deviation / FACTOR


def told(values: torch.Tensor) -> str:
    """Write mean and deviation."""
    return f"mean {values.mean().item():.3g}, deviation {values.std().item():.3g}"
