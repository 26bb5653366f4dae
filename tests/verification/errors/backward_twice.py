"""autograd: a recurrent state carried from batch to batch meets the graph of the last step."""
# cause: loss.backward() | detach

import torch
from torch import nn

cell, head = nn.GRUCell(3, 4), nn.Linear(4, 1)
state = torch.zeros(2, 4)
for _ in range(3):
    state = cell(torch.randn(2, 3), state)
    loss = head(state).square().mean()
    loss.backward()
