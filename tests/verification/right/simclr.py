"""A contrastive network over two views with the NT-Xent loss (arXiv 2002.05709)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "simclr",
    "task": "contrastive",
    "inputs": [
        {"name": "first", "shape": ["B", 3, 8, 8], "dtype": "float32"},
        {"name": "second", "shape": ["B", 3, 8, 8], "dtype": "float32"},
    ],
    "output_shape": [["B", 12], ["B", 12]],
    "claims": {"unit_norm": [0, 1], "symmetric_loss": True},
}


class Views(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )
        self.projection = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 12))

    def forward(self, first, second):
        return tuple(F.normalize(self.projection(self.encoder(view)), dim=1) for view in (first, second))


def build_model():
    return Views()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    both = torch.cat(out)  # (2 batch, 12)
    scores = both @ both.t() / 0.5
    count = len(out[0])
    scores = scores.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=scores.device), float("-inf"))
    partners = torch.arange(2 * count, device=scores.device).roll(count)
    return F.cross_entropy(scores, partners)
