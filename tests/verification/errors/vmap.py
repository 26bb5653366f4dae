"""vmap: it maps over batches of different sizes."""
# cause: torch.vmap(similarity)(queries, keys) | queries = float32[5, 3] | keys = float32[4, 3] | axis 0

import torch


def similarity(query, key):
    return (query * key).sum()


queries, keys = torch.randn(5, 3), torch.randn(4, 3)
torch.vmap(similarity)(queries, keys)
