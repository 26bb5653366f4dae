"""Linear: channels stand on axis 1 of its input."""
# cause: self.project(maps) | maps = float32[2, 12, 5, 5] | Linear(in_features=12 | axis 1

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 1)
        self.project = nn.Linear(12, 4)

    def forward(self, x):
        maps = self.stem(x)
        return self.project(maps)


Net()(torch.randn(2, 3, 5, 5))
