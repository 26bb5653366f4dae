"""bmm: two batches of different sizes."""
# cause: torch.bmm(left, right) | left = float32[6, 2, 5] | right = float32[3, 5, 4] | batches of 6 and 3

import torch

left, right = torch.randn(6, 2, 5), torch.randn(3, 5, 4)
torch.bmm(left, right)
