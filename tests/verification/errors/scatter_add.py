"""scatter_add: messages of more edges than the index has."""
# cause: sums.scatter_add(0, index, messages) | index = int64[7, 4] | messages = float32[6, 4] | axis 0

import torch
from torch import nn


class GraphLayer(nn.Module):
    def forward(self, messages, targets):
        index = targets[:, None].expand(-1, 4)
        sums = torch.zeros(5, 4)
        return sums.scatter_add(0, index, messages)


GraphLayer()(torch.randn(6, 4), torch.randint(5, (7,)))
