"""attention mask: of the key's length where queries and keys differ in number."""
# cause: F.scaled_dot_product_attention(q, k, v, attn_mask=mask) | mask = bool[5, 5] | q = float32[2, 4, 7, 8] | k = float32[2, 4, 5, 8]

import torch
from torch import nn
from torch.nn import functional as F


class CrossAttention(nn.Module):
    def forward(self, q, k, v, mask):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


k = torch.randn(2, 4, 5, 8)
CrossAttention()(torch.randn(2, 4, 7, 8), k, k, torch.ones(5, 5, dtype=torch.bool))
