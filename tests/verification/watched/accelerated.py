"""A loop through `accelerate`."""

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from faults import BATCH, Rows, try_all
from network import Net
from torch.nn import functional as F


def train(fault):
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=True, mixed_precision="bf16" if fault == "mixed precision" else "no")
    network = Net()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    loader = torch.utils.data.DataLoader(Rows(fault), batch_size=BATCH)
    network, optimizer, loader = accelerator.prepare(network, optimizer, loader)
    for x, labels in loader:
        loss = F.cross_entropy(network(x).float(), labels)
        optimizer.zero_grad()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()


try_all(train)
