"""call: forward gets one tensor more than it takes."""
# cause: network(ids, mask) | forward(self, ids) | 2

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(5, 3)

    def forward(self, ids):
        return self.tokens(ids)


network = Net()
ids, mask = torch.tensor([[1, 2]]), torch.ones(1, 2)
network(ids, mask)
