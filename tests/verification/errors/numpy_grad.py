"""autograd: a tensor that still has a graph is handed to numpy."""
# cause: loss.numpy() | loss = float32[] | detach()

import torch
from torch import nn

loss = nn.Linear(2, 1)(torch.ones(1, 2)).mean()
losses = [loss.numpy()]
