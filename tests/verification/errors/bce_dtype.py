"""Binary cross entropy: integer targets."""
# cause: F.binary_cross_entropy_with_logits(logits, targets) | targets = int64[4] | float

import torch
from torch.nn import functional as F

logits = torch.randn(4, requires_grad=True)
targets = torch.tensor([0, 1, 1, 0])
F.binary_cross_entropy_with_logits(logits, targets).backward()
