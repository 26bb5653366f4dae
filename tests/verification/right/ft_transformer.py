"""A transformer over the columns of a table (arXiv 2106.11959)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "ft_transformer",
    "task": "regression",
    "inputs": [
        {"name": "numbers", "shape": ["B", 4], "dtype": "float32"},
        {"name": "categories", "shape": ["B", 3], "dtype": "int64", "high": 5},
    ],
    "target": {"shape": ["B"], "dtype": "float32"},
    "output_shape": ["B"],
    "oracle": "regression",
    "claims": {"readout": 0, "depth": 2},
}


class Table(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(4, width)), nn.Parameter(torch.zeros(4, width))
        self.categories = nn.Embedding(15, width)
        self.register_buffer("starts", torch.arange(0, 15, 5))
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.1, batch_first=True, norm_first=True)
            for _ in range(2)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1)

    def forward(self, numbers, categories):
        columns = numbers[:, :, None] * self.weight + self.bias  # (batch, 4, width)
        hidden = torch.cat([self.first.expand(len(numbers), -1, -1), columns, self.categories(categories + self.starts)], 1)
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(F.relu(self.norm(hidden[:, 0]))).squeeze(1)


def build_model():
    return Table()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.mse_loss(out, batch[-1])
