"""A loop of one's own."""

import torch
from faults import BATCH, Rows, try_all
from network import Net
from torch.nn import functional as F


def train(fault):
    network = Net()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for x, labels in torch.utils.data.DataLoader(Rows(fault), batch_size=BATCH):
        with torch.autocast("cpu", torch.bfloat16, enabled=fault == "mixed precision"):
            output = network(x)
        loss = F.cross_entropy(output.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train_scaled(fault):
    network = Net()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    scaler = torch.amp.GradScaler("cpu")
    for x, labels in torch.utils.data.DataLoader(Rows("mixed precision"), batch_size=BATCH):
        with torch.autocast("cpu", torch.float16):
            output = network(x)
        loss = F.cross_entropy(output.float(), labels)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()


try_all(train)
try_all(train_scaled, ("gradient scaler",))
