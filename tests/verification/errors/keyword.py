"""call: a layer is built with a keyword that it does not have."""
# cause: nn.Linear(4, 2, use_bias=False) | use_bias | close names: bias

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2, use_bias=False)


Net()
