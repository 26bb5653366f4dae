"""binary cross entropy: the values are no probabilities."""
# cause: F.binary_cross_entropy(score, y) | score = float32[4] | sigmoid

import torch
from torch.nn import functional as F

score = torch.tensor([2.0, -1.0, 0.5, 3.0])
y = torch.ones(4)
F.binary_cross_entropy(score, y)
