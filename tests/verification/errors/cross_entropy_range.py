"""Cross entropy: labels start at 1."""
# cause: F.cross_entropy(network(images), labels) | label 3 | labels = int64[4] | 3 classes

import torch
from torch import nn
from torch.nn import functional as F

network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
images = torch.randn(4, 3, 2, 2)
labels = torch.tensor([1, 2, 3, 1])
loss = F.cross_entropy(network(images), labels)
