"""autograd: an in-place operation destroys what backward needs."""
# cause: gate += 1 | sigmoid | out of place

import torch
from torch import nn


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        gate = torch.sigmoid(self.layer(x))
        y = gate * x
        gate += 1
        return y + gate


Gate()(torch.randn(2, 4)).sum().backward()
