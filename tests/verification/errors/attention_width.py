"""attention width: an encoder layer gets another width than it was built for."""
# cause: self.encoder(x) | embed_dim | wants 16 on the last axis, its input has 12

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)

    def forward(self, x):
        return self.encoder(x)


Net()(torch.randn(2, 5, 12))
