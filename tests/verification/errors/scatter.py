"""scatter: the index is of floats."""
# cause: zeros.scatter(1, labels, 1.0) | labels = float32[4, 1] | .long()

import torch

zeros = torch.zeros(4, 3)
labels = torch.tensor([[0.0], [1.0], [2.0], [1.0]])
zeros.scatter(1, labels, 1.0)
