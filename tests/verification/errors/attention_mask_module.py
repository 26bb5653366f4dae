"""attention mask: one row for each sample instead of for each head."""
# cause: self.attention(x, x, x, attn_mask=mask) | mask = bool[2, 6, 6] | (8, 6, 6)

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x, mask):
        return self.attention(x, x, x, attn_mask=mask)[0]


Block()(torch.randn(2, 6, 16), torch.zeros(2, 6, 6, dtype=torch.bool))
