"""loader's worker: sequences of unequal length are put into one batch."""
# cause: for ids, label in loader | Sentences | [5] | [3] | collate_fn

import torch
from torch.utils.data import DataLoader, Dataset


class Sentences(Dataset):
    lengths = (5, 3, 7, 4)

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, index):
        return torch.arange(self.lengths[index]), index % 2


if __name__ == "__main__":
    loader = DataLoader(Sentences(), batch_size=2, num_workers=1)
    for ids, label in loader:
        print(ids.shape, label)
