"""einsum: an equation for three axes meets a tensor of two."""
# cause: torch.einsum("btd,vd->btv", pooled, self.embedding) | pooled = float32[2, 8] | names 3 axes for pooled, which has 2

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(11, 8))

    def forward(self, hidden):
        pooled = hidden.mean(1)
        return torch.einsum("btd,vd->btv", pooled, self.embedding)


Net()(torch.randn(2, 5, 8))
