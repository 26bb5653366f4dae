"""A training that meets a NaN at each of the steps that `NAN_AT` names."""

import os

import torch
from network import Net
from torch.nn import functional as F

steps = {int(step) for step in os.environ["NAN_AT"].split(",")}
torch.manual_seed(0)
network = Net()
optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
for step in range(1, 121):
    x = torch.randn(16, 8)
    loss = F.cross_entropy(network(x), (x[:, 1] > 0).long())
    if step in steps:
        loss = loss * float("nan")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
