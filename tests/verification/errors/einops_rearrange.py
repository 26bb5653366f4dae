"""einops.rearrange: the number of heads does not divide the width."""
# cause: rearrange(q, "b t (h d) -> b h t d" | q = float32[2, 6, 32] | self.heads = 5 | an axis of 32 cannot be cut into parts of 5

import torch
from einops import rearrange
from torch import nn


class Attention(nn.Module):
    def __init__(self, width=32, heads=5):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)

    def forward(self, x):
        q = self.query(x)
        return rearrange(q, "b t (h d) -> b h t d", h=self.heads)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention()

    def forward(self, x):
        return self.attention(x)


Net()(torch.randn(2, 6, 32))
