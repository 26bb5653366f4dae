"""Cross entropy: the head pooled the batch away together with the positions."""
# cause: criterion(logits, labels) | 8 predictions meet 2 targets | 4 times

import torch
from torch import nn

criterion = nn.CrossEntropyLoss()
features = torch.randn(2, 4, 16)
logits = nn.Linear(16, 5)(features.reshape(-1, 16))
labels = torch.randint(5, (2,))
criterion(logits, labels)
