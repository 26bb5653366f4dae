"""dtype: a network in half precision gets float32."""
# cause: self.head(x) | x = float32[2, 4] | head | float16 | dtype

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(x)


Net().half()(torch.randn(2, 4))
