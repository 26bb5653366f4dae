"""device: a batch was not moved to the network's device."""
# cause: network(batch) | batch = float32[2, 8] | meta | .to(

import torch
from torch import nn

network = nn.Linear(8, 4).to("meta")
batch = torch.randn(2, 8)
network(batch)
