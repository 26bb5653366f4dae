"""optimizer: layers in a plain list have no parameters."""
# cause: torch.optim.SGD(network.parameters(), lr=0.1) | ModuleList

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(3, 3), nn.Linear(3, 3)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


network = Net()
torch.optim.SGD(network.parameters(), lr=0.1)
