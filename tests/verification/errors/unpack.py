"""unpacking: a shape of three sizes into four names."""
# cause: batch, channels, height, width = x.shape | x.shape = (2, 28, 28) | 3

import torch
from torch import nn


class Net(nn.Module):
    def forward(self, x):
        batch, channels, height, width = x.shape
        return x.reshape(batch, -1)


Net()(torch.randn(2, 28, 28))
