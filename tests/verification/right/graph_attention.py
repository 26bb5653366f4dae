"""A graph attention network that labels nodes (arXiv 1710.10903)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "graph_attention",
    "task": "tagging",
    "inputs": [
        {"name": "nodes", "shape": ["B", 9, 6], "dtype": "float32"},
        {"name": "edges", "shape": ["B", 9, 9], "dtype": "float32", "role": "adjacency"},
    ],
    "target": {"shape": ["B", 9], "dtype": "int64", "high": 4},
    "output_shape": ["B", 9, 4],
    "oracle": "onehot_last",
}


class Layer(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.value = nn.Linear(before, after)
        self.source, self.goal = nn.Linear(after, 1), nn.Linear(after, 1, bias=False)

    def forward(self, nodes, edges):
        value = self.value(nodes)
        scores = F.leaky_relu(self.source(value) + self.goal(value).transpose(1, 2), 0.2)  # (batch, 9, 9)
        linked = edges + torch.eye(edges.shape[-1], device=edges.device)
        return scores.masked_fill(linked == 0, float("-inf")).softmax(dim=-1) @ value


class Graph(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.first, self.second = Layer(6, width), Layer(width, width)
        self.head = nn.Linear(width, 4)

    def forward(self, nodes, edges):
        hidden = F.elu(self.first(nodes, edges))
        return self.head(F.elu(self.second(hidden, edges)) + hidden)


def build_model():
    return Graph()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[-1].flatten())
