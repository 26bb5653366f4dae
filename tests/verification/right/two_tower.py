"""A retrieval model of two towers with negatives from the batch."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "two_tower",
    "task": "contrastive",
    "inputs": [
        {"name": "user", "shape": ["B"], "dtype": "int64", "high": 40},
        {"name": "item", "shape": ["B"], "dtype": "int64", "high": 60},
        {"name": "features", "shape": ["B", 5], "dtype": "float32"},
    ],
    "output_shape": [["B", 16], ["B", 16]],
    "claims": {"unit_norm": [0, 1]},
}


def tower(before, after):
    return nn.Sequential(nn.Linear(before, 32), nn.ReLU(), nn.Linear(32, after))


class Towers(nn.Module):
    def __init__(self):
        super().__init__()
        self.users, self.items = nn.Embedding(40, 16), nn.Embedding(60, 16)
        self.of_user, self.of_item = tower(16, 16), tower(16 + 5, 16)

    def forward(self, user, item, features):
        first = self.of_user(self.users(user))
        second = self.of_item(torch.cat([self.items(item), features], dim=1))
        return F.normalize(first, dim=1), F.normalize(second, dim=1)


def build_model():
    return Towers()


def model_inputs(batch):
    return batch[0], batch[1], batch[2]


def compute_loss(out, batch):
    scores = out[0] @ out[1].t() / 0.1
    return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device))
