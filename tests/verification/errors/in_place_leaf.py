"""autograd: a parameter is changed in place."""
# cause: self.weight.mul_(0.9) | self.weight = float32[3] | no_grad

import torch
from torch import nn


class Decay(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x):
        self.weight.mul_(0.9)
        return x * self.weight


Decay()(torch.randn(2, 3))
