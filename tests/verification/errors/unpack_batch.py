"""unpacking: the loader gives three things where the loop takes two."""
# cause: for inputs, labels in loader | too many values to unpack | TensorDataset

import torch
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.randn(4, 3), torch.ones(4), torch.zeros(4)), batch_size=2)
for inputs, labels in loader:
    print(inputs.shape)
