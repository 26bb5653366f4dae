"""backward of a vector: the loss was not reduced."""
# cause: loss.backward() | loss = float32[4] | mean()

import torch
from torch import nn
from torch.nn import functional as F

network = nn.Linear(3, 2)
loss = F.cross_entropy(network(torch.randn(4, 3)), torch.tensor([0, 1, 1, 0]), reduction="none")
loss.backward()
