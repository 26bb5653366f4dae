"""loader's worker: stored rows are no images."""
# cause: row.view(3, 4, 4) | row = float32[32] | 48 | __getitem__

import torch
from torch.utils.data import DataLoader, Dataset


class Images(Dataset):
    def __init__(self):
        self.rows = torch.randn(4, 32)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        row = self.rows[index]
        return row.view(3, 4, 4)


if __name__ == "__main__":
    for batch in DataLoader(Images(), batch_size=2, num_workers=1):
        print(batch.shape)
