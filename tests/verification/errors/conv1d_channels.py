"""conv1d: a sequence with channels last."""
# cause: self.conv(signal) | signal = float32[2, 50, 9] | axis 2 has size 9 | permute

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(9, 16, 5)

    def forward(self, signal):
        return self.conv(signal).mean(-1)


Net()(torch.randn(2, 50, 9))
