"""embedding: ids that numpy made floats."""
# cause: self.users(users) | users = float32[2] | int64

import numpy as np
import torch
from torch import nn


class Recommender(nn.Module):
    def __init__(self):
        super().__init__()
        self.users = nn.Embedding(10, 4)

    def forward(self, users):
        return self.users(users)


Recommender()(torch.from_numpy(np.array([1, 3], dtype="float32")))
