"""stack: hidden states of layers with different widths."""
# cause: torch.stack(states) | float32[2, 4] | float32[2, 8] | equal

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 4), nn.Linear(4, 8)])

    def forward(self, x):
        states = []
        for layer in self.layers:
            x = layer(x)
            states.append(x)
        return torch.stack(states).mean(0)


Net()(torch.randn(2, 3))
