"""A loop that never calls the network it trains, but a method of it."""

import torch
from faults import BATCH, Rows, try_all
from network import WithMethod


def train(fault):
    network = WithMethod()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for x, labels in torch.utils.data.DataLoader(Rows(fault), batch_size=BATCH):
        with torch.autocast("cpu", torch.bfloat16, enabled=fault == "mixed precision"):
            loss = network.training_step(x, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


try_all(train)
