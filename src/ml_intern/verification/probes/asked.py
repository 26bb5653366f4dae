"""Which class a loss asks for at each place, read from its gradient at equal logits."""

from __future__ import annotations

import torch
from probes.candidate import Candidate, Tensors


def asked_classes(
    candidate: Candidate, batch: Tensors, inputs: Tensors
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Give for each place the class whose logit the loss would raise most, and which places count at all."""
    made = candidate.run(candidate.network, inputs)
    axes = [axis for axis, size in enumerate(made[0].shape) if axis and size == candidate.contract.classes]
    if len(made) != 1 or len(axes) != 1 or not made[0].is_floating_point():
        return None, None
    equal = torch.zeros_like(made[0], requires_grad=True)
    (slope,) = torch.autograd.grad(candidate.loss(equal, batch), equal, allow_unused=True)
    if slope is None:
        return None, None
    slope = slope.movedim(axes[0], -1)
    return slope.argmin(-1), slope.abs().sum(-1) > 0
