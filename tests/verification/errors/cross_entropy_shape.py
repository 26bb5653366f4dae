"""Cross entropy of a language model: logits are not flattened."""
# cause: F.cross_entropy(logits, targets) | logits = float32[2, 6, 11] | targets = int64[2, 6] | axis 1

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 11)

    def forward(self, x):
        return self.head(x)


network = Net()
logits = network(torch.randn(2, 6, 8))
targets = torch.randint(11, (2, 6))
loss = F.cross_entropy(logits, targets)
