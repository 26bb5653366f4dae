"""Linear: inside a block its width is not that of its input."""
# cause: self.mlp(self.norm(x)) | blocks.1.mlp.2 | in_features=60 | its input has 64

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x):
        return x + self.mlp(self.norm(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(16, 64), Block(16, 60)])

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


Net()(torch.randn(2, 5, 16))
