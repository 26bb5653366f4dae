"""device: a tensor that is a plain attribute stays behind when the network moves."""
# cause: x + self.positions | x = float32[2, 5, 8] on meta | self.positions = float32[5, 8] | register_buffer

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.positions = torch.randn(5, 8)

    def forward(self, x):
        x = self.layer(x)
        return x + self.positions


Net().to("meta")(torch.randn(2, 5, 8, device="meta"))
