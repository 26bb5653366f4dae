"""LSTM: the embedding is wider than the input size."""
# cause: self.lstm(self.embedding(ids)) | input_size | 32 | 24 | lstm

import torch
from torch import nn


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 32)
        self.lstm = nn.LSTM(24, 16, batch_first=True)

    def forward(self, ids):
        output, _ = self.lstm(self.embedding(ids))
        return output


Tagger()(torch.randint(50, (2, 7)))
