"""attention heads: they do not divide the width."""
# cause: nn.MultiheadAttention(width, heads) | width = 30 | heads = 4 | multiple

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width=30, heads=4):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block() for _ in range(2)])


Net()
