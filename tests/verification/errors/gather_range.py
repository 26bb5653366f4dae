"""gather: an index beyond the last entry."""
# cause: torch.gather(log_probabilities, -1, targets) | targets = int64[2, 5, 1] | index 11 | size 11

import torch

log_probabilities = torch.randn(2, 5, 11).log_softmax(-1)
targets = torch.full((2, 5, 1), 11)
picked = torch.gather(log_probabilities, -1, targets)
