"""An MLP-Mixer of two blocks (arXiv 2105.01601)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "mlp_mixer",
    "task": "classification",
    "inputs": [{"name": "images", "shape": ["B", 3, 12, 12], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": 5},
    "output_shape": ["B", 5],
    "oracle": "onehot",
    "positional": "patches:4",
    "claims": {"norm": "pre", "residual_adds": 4, "depth": 2},
}


def mlp(width, hidden):
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class Block(nn.Module):
    def __init__(self, tokens, width):
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.over_tokens, self.over_channels = mlp(tokens, 2 * tokens), mlp(width, 2 * width)

    def forward(self, hidden):
        hidden = hidden + self.over_tokens(self.first(hidden).transpose(1, 2)).transpose(1, 2)
        return hidden + self.over_channels(self.second(hidden))


class Mixer(nn.Module):
    def __init__(self, width=20):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, stride=4)
        self.blocks = nn.Sequential(*(Block(9, width) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 5)

    def forward(self, images):
        hidden = self.patches(images).flatten(2).transpose(1, 2)  # (batch, 9, width)
        return self.head(self.norm(self.blocks(hidden)).mean(dim=1))


def build_model():
    return Mixer()


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[-1])
