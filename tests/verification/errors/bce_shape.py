"""Binary cross entropy: predictions keep a last axis of one."""
# cause: criterion(network(x), y) | y = float32[4] | squeeze | (4, 1)

import torch
from torch import nn

criterion = nn.BCEWithLogitsLoss()
network = nn.Linear(3, 1)
x, y = torch.randn(4, 3), torch.ones(4)
criterion(network(x), y)
