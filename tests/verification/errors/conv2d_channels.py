"""conv2d: the second stage was built for the channels of the first."""
# cause: stages.1.conv | wants 16 channels on axis 1 and got 32 | self.conv(x)

import torch
from torch import nn


class Stage(nn.Module):
    def __init__(self, given, made):
        super().__init__()
        self.conv = nn.Conv2d(given, made, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.conv(x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.Sequential(Stage(3, 32), Stage(16, 64))

    def forward(self, x):
        return self.stages(x)


Net()(torch.randn(2, 3, 8, 8))
