"""batch norm: it was built for the channels of the layer before."""
# cause: self.norm(self.conv(x)) | norm = BatchNorm2d(3 | built for 3 channels, axis 1 of its input has 12

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        return self.norm(self.conv(x))


Net()(torch.randn(2, 3, 8, 8))
