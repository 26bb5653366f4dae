"""Cross entropy: class numbers as float."""
# cause: F.cross_entropy(logits, labels) | labels = float32[4] | labels.long()

import torch
from torch.nn import functional as F

logits = torch.randn(4, 3)
labels = torch.tensor([0.0, 1.0, 2.0, 1.0])
F.cross_entropy(logits, labels)
