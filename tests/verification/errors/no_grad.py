"""autograd: the forward pass of training runs without gradients."""
# cause: loss.backward() | loss = float32[] | no_grad

import torch
from torch import nn

network = nn.Linear(3, 1)


@torch.no_grad()
def predict(x):
    return network(x)


loss = predict(torch.randn(4, 3)).square().mean()
loss.backward()
