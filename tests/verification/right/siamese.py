"""A siamese network with one encoder that tells whether two rows belong together."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "siamese",
    "task": "binary",
    "inputs": [
        {"name": "first", "shape": ["B", 12], "dtype": "float32"},
        {"name": "second", "shape": ["B", 12], "dtype": "float32"},
    ],
    "target": {"shape": ["B"], "dtype": "float32", "high": 2},
    "output_shape": ["B"],
    "oracle": "binary_logit",
    "symmetric": True,
}


class Siamese(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, 8))
        self.head = nn.Linear(16, 1)

    def forward(self, first, second):
        one, other = self.encoder(first), self.encoder(second)
        return self.head(torch.cat([(one - other).abs(), one * other], dim=1)).squeeze(1)


def build_model():
    return Siamese()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.binary_cross_entropy_with_logits(out, batch[-1])
