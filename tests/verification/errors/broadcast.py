"""broadcasting: positions for the patches only, none for the class token."""
# cause: x + self.positions | x = float32[2, 17, 8] | self.positions = float32[1, 16, 8] | axis 1: 17 against 16

import torch
from torch import nn


class Embedding(nn.Module):
    def __init__(self, patches=16, width=8):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, patches, width))

    def forward(self, x):
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        return x + self.positions


Embedding()(torch.randn(2, 16, 8))
