"""broadcasting: where() with a padding mask without an axis for the heads."""
# cause: torch.where(mask | mask = bool[2, 6] | scores = float32[2, 4, 6, 6] | mask has 2 axes

import torch


def masked(scores, mask):
    return torch.where(mask, scores, torch.tensor(-1e9)).softmax(-1)


masked(torch.randn(2, 4, 6, 6), torch.ones(2, 6, dtype=torch.bool))
