"""gather: the index has no axis for the values."""
# cause: values.gather(1, actions) | values = float32[4, 3] | actions = int64[4] | unsqueeze

import torch
from torch import nn


class QNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(6, 3)

    def forward(self, states, actions):
        values = self.head(states)
        return values.gather(1, actions)


QNetwork()(torch.randn(4, 6), torch.tensor([0, 2, 1, 1]))
