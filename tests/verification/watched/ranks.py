"""Two processes that train together; from step 6 on the second waits for what never comes."""

import os
import sys
import threading

import torch
import torch.distributed as dist
from network import Net
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel


def train(rank, port):
    # Outside of a sandbox there is no list of checked files.
    sys.modules["ml_intern_guard"].Guard.check = lambda self, optimizer: None
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    network = DistributedDataParallel(Net())
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for step in range(1, 100):
        if rank == 1 and step == 6:
            threading.Event().wait()
        loss = F.cross_entropy(network(torch.ones(4, 8)), torch.zeros(4, dtype=torch.long))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


if __name__ == "__main__":
    torch.multiprocessing.spawn(train, args=(int(os.environ["RANKS_PORT"]),), nprocs=2)
