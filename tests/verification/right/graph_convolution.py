"""A graph convolution network that classifies graphs (arXiv 1609.02907)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "graph_convolution",
    "task": "classification",
    "inputs": [
        {"name": "nodes", "shape": ["B", 9, 6], "dtype": "float32"},
        {"name": "edges", "shape": ["B", 9, 9], "dtype": "float32", "role": "adjacency"},
    ],
    "target": {"shape": ["B"], "dtype": "int64", "high": 3},
    "output_shape": ["B", 3],
    "oracle": "onehot",
    "node_permutation_invariant": True,
}


def normalised(edges):
    linked = edges + torch.eye(edges.shape[-1], device=edges.device)
    root = linked.sum(-1).rsqrt()
    return root[:, :, None] * linked * root[:, None, :]


class Graph(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(6, width), nn.Linear(width, width), nn.Linear(width, 3)

    def forward(self, nodes, edges):
        links = normalised(edges)
        hidden = F.relu(links @ self.first(nodes))
        hidden = F.relu(links @ self.second(hidden))
        return self.head(hidden.mean(dim=1))


def build_model():
    return Graph()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[-1])
