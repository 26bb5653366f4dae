"""call: a list of layers is called as if it were one."""
# cause: self.layers(x) | ModuleList | nn.Sequential

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3), nn.ReLU()])

    def forward(self, x):
        return self.layers(x)


Net()(torch.randn(2, 3))
