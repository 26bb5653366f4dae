"""cat: the skip of a U-Net has another size than what was sampled up."""
# cause: torch.cat([up, skip], dim=1) | up = float32[2, 8, 14, 14] | skip = float32[2, 8, 15, 15] | axis 2

import torch
from torch import nn
from torch.nn import functional as F


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 8, 3, padding=1)
        self.merge = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, x):
        skip = self.down(x)
        low = F.max_pool2d(skip, 2)
        up = F.interpolate(low, scale_factor=2)
        return self.merge(torch.cat([up, skip], dim=1))


UNet()(torch.randn(2, 1, 15, 15))
