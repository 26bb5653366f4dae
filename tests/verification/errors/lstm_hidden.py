"""LSTM: the state is built batch first."""
# cause: self.lstm(x, (h, c)) | h = float32[3, 1, 16] | (layers, batch, hidden) | (1, 3, 16)

import torch
from torch import nn


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)

    def forward(self, x):
        h, c = torch.zeros(len(x), 1, 16), torch.zeros(len(x), 1, 16)
        return self.lstm(x, (h, c))[0]


Decoder()(torch.randn(3, 5, 8))
