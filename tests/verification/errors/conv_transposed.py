"""transposed conv: in and out channels are exchanged."""
# cause: self.up(z) | z = float32[2, 32, 4, 4] | wants 16 channels on axis 1 and got 32

import torch
from torch import nn


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(16, 32, 2, stride=2)

    def forward(self, z):
        return self.up(z)


Decoder()(torch.randn(2, 32, 4, 4))
