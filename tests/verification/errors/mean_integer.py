"""dtype: a mean of integers."""
# cause: counts.mean() | counts = int64[3] | float

import torch

counts = torch.tensor([1, 2, 3])
counts.mean()
