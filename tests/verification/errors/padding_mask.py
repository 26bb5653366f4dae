"""attention mask: that of batch first where the layer is time first."""
# cause: self.attention(x, x, x, key_padding_mask=padding) | padding = bool[2, 6] | batch_first=True

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4)

    def forward(self, x, padding):
        return self.attention(x, x, x, key_padding_mask=padding)[0]


Block()(torch.randn(2, 6, 16), torch.zeros(2, 6, dtype=torch.bool))
