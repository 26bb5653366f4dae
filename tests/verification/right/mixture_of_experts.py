"""A mixture of experts with two of four chosen for each token (arXiv 1701.06538)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "mixture_of_experts",
    "task": "lm",
    "inputs": [{"name": "tokens", "shape": ["B", "T"], "dtype": "int64", "high": 23}],
    "target": {"shape": ["B", "T"], "dtype": "int64", "high": 23},
    "output_shape": ["B", "T", 23],
    "oracle": "onehot_last",
    "causal": True,
}


class Experts(nn.Module):
    def __init__(self, width, count=4, chosen=2):
        super().__init__()
        self.chosen = chosen
        self.gate = nn.Linear(width, count, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)) for _ in range(count)
        )

    def forward(self, hidden):
        flat = hidden.reshape(-1, hidden.shape[-1])  # (tokens, width)
        weights, which = self.gate(flat).topk(self.chosen, dim=-1)
        weights = weights.softmax(dim=-1)
        out = torch.zeros_like(flat)
        for number, expert in enumerate(self.experts):
            rows, place = (which == number).nonzero(as_tuple=True)
            out = out.index_add(0, rows, expert(flat[rows]) * weights[rows, place, None])
        return out.view_as(hidden)


class Model(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.tokens = nn.Embedding(23, width)
        self.time = nn.GRU(width, width, batch_first=True)
        self.norm, self.experts, self.last = nn.LayerNorm(width), Experts(width), nn.LayerNorm(width)
        self.head = nn.Linear(width, 23)

    def forward(self, tokens):
        hidden = self.tokens(tokens)
        hidden = hidden + self.time(hidden)[0]
        hidden = hidden + self.experts(self.norm(hidden))
        return self.head(self.last(hidden))


def build_model():
    return Model()


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[-1].flatten())
