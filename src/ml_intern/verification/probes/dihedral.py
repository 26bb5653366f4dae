"""The eight ways to put a picture down on its square: flips and quarter turns of the last two axes."""

from __future__ import annotations

from collections.abc import Callable

import torch

Way = Callable[[torch.Tensor], torch.Tensor]


def _way(turns: int, *, mirrored: bool) -> Way:
    def move(picture: torch.Tensor) -> torch.Tensor:
        turned = torch.rot90(picture, turns, (-2, -1)) if turns else picture
        return turned.flip(-1) if mirrored else turned

    return move


WAYS: tuple[Way, ...] = tuple(_way(turns, mirrored=mirrored) for mirrored in (False, True) for turns in range(4))


def ways_between(one: torch.Tensor, other: torch.Tensor) -> list[Way]:
    """Give the ways that make exactly `other` of `one`."""
    return [way for way in WAYS if torch.equal(way(one), other)]
