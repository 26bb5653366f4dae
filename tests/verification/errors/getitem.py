"""item out of range: a data set says that it is longer than it is."""
# cause: self.rows[index + 1] | index = 7 | self.rows = float32[8, 2] | size 8

import torch
from torch.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    def __init__(self):
        self.rows = torch.randn(8, 2)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index], self.rows[index + 1]


for first, second in DataLoader(Pairs(), batch_size=4):
    print(first.shape, second.shape)
