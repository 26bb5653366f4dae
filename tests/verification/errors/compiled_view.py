"""compiled code: a view that does not fit."""
# cause: x.view(2, 5) | operands there: float32[2, 6] | there are 12

import torch


@torch.compile(backend="eager", fullgraph=True)
def fold(x):
    return x.view(2, 5).sum(0)


fold(torch.randn(2, 6))
