"""view: after a transpose the memory is not contiguous."""
# cause: y.transpose(1, 2).view(batch, time, -1) | y = float32[2, 4, 6, 8] | reshape

import torch


def merge_heads(y):
    batch, heads, time, width = y.shape
    return y.transpose(1, 2).view(batch, time, -1)


merge_heads(torch.randn(2, 4, 6, 8))
