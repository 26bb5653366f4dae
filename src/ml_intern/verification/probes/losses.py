"""What the graph of a loss says about its values."""

from __future__ import annotations

import torch

_NOT_NEGATIVE = {"CtcLoss", "NllLoss", "NllLoss2D", "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits"}
_MEANS = {"Mean", "Sum", "View", "ReshapeAlias", "UnsafeView", "Squeeze", "Div", "Where", "Alias"}


def is_never_negative(loss: torch.Tensor) -> bool:
    """Tell whether it is a mean or sum of negative log-likelihoods of classes, and of nothing else."""
    node = loss.grad_fn
    while node is not None and (kind := kind_of(node)) not in _NOT_NEGATIVE:
        parents = [parent for parent, _ in node.next_functions if parent is not None]
        if kind not in _MEANS or len(parents) != 1:
            return False
        node = parents[0]
    return node is not None


def kind_of(node: object) -> str:
    """Give `Add` for AddBackward0, `Accumulate` for the leaf of a parameter, `NoneType` where no gradient flows."""
    return type(node).__name__.partition("Backward")[0].removesuffix("Grad")
