"""index: a mask for another tensor."""
# cause: tokens[mask] | tokens = float32[2, 6, 8] | mask = bool[2, 5] | axis 1

import torch

tokens, mask = torch.randn(2, 6, 8), torch.ones(2, 5, dtype=torch.bool)
tokens[mask]
