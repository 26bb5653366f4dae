"""bmm: one operand lost its batch axis."""
# cause: torch.bmm(attention, memory) | memory = float32[6, 8] | attention = float32[3, 2, 6] | 3 axes

import torch


def read(attention, memory):
    return torch.bmm(attention, memory)


read(torch.rand(3, 2, 6), torch.randn(6, 8))
