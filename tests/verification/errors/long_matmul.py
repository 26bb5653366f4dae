"""dtype: one-hot vectors of integers meet a float matrix."""
# cause: chosen @ self.codebook | chosen = int64[3, 5] | self.codebook = float32[5, 4] | chosen.float()

import torch
from torch import nn
from torch.nn import functional as F


class Quantizer(nn.Module):
    def __init__(self):
        super().__init__()
        self.codebook = nn.Parameter(torch.randn(5, 4))

    def forward(self, indices):
        chosen = F.one_hot(indices, 5)
        return chosen @ self.codebook


Quantizer()(torch.tensor([0, 2, 4]))
