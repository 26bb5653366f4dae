"""view: the size of the flattened image is written down for another image."""
# cause: x.view(-1, 16 * 5 * 5) | x = float32[2, 16, 6, 6] | 400

import torch
from torch import nn
from torch.nn import functional as F


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 6, 5)
        self.second = nn.Conv2d(6, 16, 5)
        self.head = nn.Linear(16 * 5 * 5, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.max_pool2d(F.relu(self.second(x)), 2)
        x = x.view(-1, 16 * 5 * 5)
        return self.head(x)


LeNet()(torch.randn(2, 1, 36, 36))
