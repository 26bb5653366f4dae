"""A field of colour and density over encoded places and directions (arXiv 2003.08934)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "radiance_field",
    "task": "regression",
    "inputs": [
        {"name": "place", "shape": ["B", 3], "dtype": "float32"},
        {"name": "direction", "shape": ["B", 3], "dtype": "float32"},
    ],
    "target": {"shape": ["B", 3], "dtype": "uniform01"},
    "output_shape": ["B", 3],
    "oracle": "regression",
    "output_range": {"0": [0.0, 1.0]},
}


def encoded(places, bands):
    angles = places[..., None] * (2.0 ** torch.arange(bands, device=places.device))
    return torch.cat([places, angles.sin().flatten(1), angles.cos().flatten(1)], dim=1)


class Field(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(27, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.density, self.features = nn.Linear(width, 1), nn.Linear(width, width)
        self.colour = nn.Sequential(nn.Linear(width + 15, width), nn.ReLU(), nn.Linear(width, 3))

    def forward(self, place, direction):
        hidden = self.body(encoded(place, 4))
        seen = self.colour(torch.cat([self.features(hidden), encoded(direction, 2)], dim=1))
        opacity = 1 - torch.exp(-F.softplus(self.density(hidden)))
        return torch.sigmoid(seen) * opacity


def build_model():
    return Field()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.mse_loss(out, batch[-1])
