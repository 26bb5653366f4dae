"""compiled code: the wrong width shows while a network is traced."""
# cause: x @ self.weight | operands there: float32[2, 6], float32[5, 4] | last axis of a (6)

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 4))

    def forward(self, x):
        x = torch.relu(x)
        return x @ self.weight


torch.compile(Net(), backend="eager")(torch.randn(2, 6))
