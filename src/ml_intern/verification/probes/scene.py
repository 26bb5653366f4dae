"""Where a network failed: what the hints look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The innermost layer, the network, the tensors of the layer's `forward`, and the operands of the expression."""

    layer: nn.Module | None
    tensors: Mapping[str, torch.Tensor]
    operands: Mapping[str, object]
    network: nn.Module | None = None

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of every tensor in sight, those of the innermost layer first."""
        given = [*self.tensors.values(), *self.operands.values()]
        return [tuple(value.shape) for value in given if isinstance(value, torch.Tensor)]

    @property
    def named(self) -> dict[str, torch.Tensor]:
        """The tensors of the failing expression by what they are called there."""
        return {name: value for name, value in self.operands.items() if isinstance(value, torch.Tensor)}

    def modules(self) -> Iterator[nn.Module]:
        """Give every layer in sight: the innermost, those of the expression, and all of the network."""
        pending = [self.layer, *self.operands.values(), self.network]
        seen: set[int] = set()
        while pending:
            module = pending.pop(0)
            if isinstance(module, nn.Module) and id(module) not in seen:
                seen.add(id(module))
                yield module
                pending += module._modules.values()


Rule: TypeAlias = tuple[str, "str | Callable[[re.Match[str], Scene], str]"]
"""A pattern of the message, and the sentence: with `{0}` for its groups, or made by a function; empty: no hint."""


def numbers(text: str) -> list[int]:
    """Give the whole numbers in a text."""
    return [int(number) for number in re.findall(r"-?\d+", text)]


def times(first: int, second: int) -> int:
    """Give how many times one is the other; 0 where that is no whole number above 1."""
    low, high = sorted((first, second))
    return high // low if low > 0 and high % low == 0 and high > low else 0
