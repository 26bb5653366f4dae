"""conv2d: the kernel is larger than what the poolings left."""
# cause: self.last(x) | float32[2, 8, 2, 2] | kernel

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 8, 5)

    def forward(self, x):
        x = F.max_pool2d(self.first(x), 4)
        return self.last(x)


Net()(torch.randn(2, 3, 8, 8))
