"""einops.reduce: the pattern names three axes of a tensor that has four."""
# cause: reduce(maps | maps = float32[2, 8, 4, 4] | the pattern names 3 axes, the tensor has 4

import torch
from einops import reduce
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, images):
        maps = self.stem(images)
        return reduce(maps, "b c t -> b c", "mean")


Net()(torch.randn(2, 3, 4, 4))
