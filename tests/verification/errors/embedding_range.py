"""Embedding: the vocabulary is one short."""
# cause: self.tokens(ids) | ids up to 100 meet an embedding with num_embeddings=100 | tokens

import torch
from torch import nn


class Encoder(nn.Module):
    def __init__(self, vocabulary=100):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, 8)

    def forward(self, ids):
        return self.tokens(ids).mean(1)


Encoder()(torch.tensor([[1, 5, 100]]))
