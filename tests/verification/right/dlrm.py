"""A DLRM: embeddings and dense features meet in dot products (arXiv 1906.00091)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "dlrm",
    "task": "binary",
    "inputs": [
        {"name": "dense", "shape": ["B", 4], "dtype": "float32"},
        {"name": "sparse", "shape": ["B", 3], "dtype": "int64", "high": 20},
    ],
    "target": {"shape": ["B"], "dtype": "float32", "high": 2},
    "output_shape": ["B"],
    "oracle": "binary_logit",
}


class Dlrm(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(20, width) for _ in range(3))
        self.bottom = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, width))
        self.top = nn.Sequential(nn.Linear(6 + width, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, dense, sparse):
        dense = self.bottom(dense)
        parts = [dense, *(table(sparse[:, place]) for place, table in enumerate(self.tables))]
        stacked = torch.stack(parts, dim=1)  # (batch, 4, width)
        products = stacked @ stacked.transpose(1, 2)
        rows, columns = torch.tril_indices(4, 4, offset=-1)
        return self.top(torch.cat([dense, products[:, rows, columns]], dim=1)).squeeze(1)


def build_model():
    return Dlrm()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.binary_cross_entropy_with_logits(out, batch[-1])
