"""dtype: data from numpy are float64."""
# cause: network(torch.from_numpy(table)) | float64 | float32 | .float()

import numpy as np
import torch
from torch import nn

network = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2))
table = np.random.default_rng(0).normal(size=(4, 5))
network(torch.from_numpy(table))
