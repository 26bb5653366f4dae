"""Draw random tensors of declared kinds, and other values of the same kind."""

from __future__ import annotations

from types import SimpleNamespace

import torch


def draw(spec: SimpleNamespace, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Make a random tensor. Masks are whole, adjacencies symmetric without loops."""
    if spec.role == "padding_mask":
        return torch.ones(shape, dtype=getattr(torch, spec.dtype))
    if spec.role == "adjacency":
        edges = (torch.rand(shape, generator=generator) < 0.4).float().triu(1)
        return edges + edges.transpose(-1, -2)
    if spec.dtype == "int64":
        return _integers(spec, shape, generator)
    if spec.dtype == "bool":
        return torch.rand(shape, generator=generator) < 0.5
    return _floats(spec, shape, generator)


def _integers(spec: SimpleNamespace, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    drawn = torch.randint(spec.low, spec.high, shape, generator=generator)
    if (spec.low, spec.high) == (0, 2) and len(shape) > 1 and shape[-1] > 1:
        drawn[..., 0] = 1  # mostly a mask; one that hides everything gives NaN in a right attention
    return drawn


def _floats(spec: SimpleNamespace, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    if spec.dtype == "uniform01":
        return torch.rand(shape, generator=generator)
    if spec.high is not None:
        return spec.low + (spec.high - spec.low) * torch.rand(shape, generator=generator)
    return torch.randn(shape, generator=generator)


def changed(spec: SimpleNamespace, given: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Give other values of the same kind: every integer differs where the range has room; masks stay."""
    if spec.role == "padding_mask":
        return given.clone()
    if spec.dtype == "bool":
        return ~given
    if spec.role is None and spec.high is not None and not given.is_floating_point():
        room = max(spec.high - spec.low, 1)
        step = torch.randint(1, max(room, 2), given.shape, generator=generator)
        return (spec.low + (given - spec.low + step) % room).to(given.dtype)
    return draw(spec, tuple(given.shape), generator)
