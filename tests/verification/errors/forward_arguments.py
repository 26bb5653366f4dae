"""call: forward lacks the mask that it wants."""
# cause: self.block(x) | forward(self, x, mask) | mask

import torch
from torch import nn


class Block(nn.Module):
    def forward(self, x, mask):
        return x * mask


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()

    def forward(self, x):
        return self.block(x)


Net()(torch.randn(2, 3))
