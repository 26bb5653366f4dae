"""matmul: the heads of the two operands differ in number."""
# cause: torch.matmul(weights, values) | weights = float32[2, 4, 6, 6] | values = float32[2, 2, 6, 8] | axis 1: 4 against 2

import torch
from torch import nn


class GroupedQuery(nn.Module):
    def forward(self, weights, values):
        return torch.matmul(weights, values)


GroupedQuery()(torch.rand(2, 4, 6, 6), torch.randn(2, 2, 6, 8))
