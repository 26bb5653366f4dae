"""A diagonal state-space model with gates, run as a recurrence (arXiv 2312.00752)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "state_space",
    "task": "lm",
    "inputs": [{"name": "tokens", "shape": ["B", "T"], "dtype": "int64", "high": 19}],
    "target": {"shape": ["B", "T"], "dtype": "int64", "high": 19},
    "output_shape": ["B", "T", 19],
    "oracle": "onehot_last",
    "causal": True,
    "positional": "tokens",
}


class Scan(nn.Module):
    def __init__(self, width, states=4):
        super().__init__()
        self.rates = nn.Parameter(torch.log(torch.arange(1, states + 1).float()).repeat(width, 1))
        self.step, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        self.into, self.out = nn.Linear(width, states, bias=False), nn.Linear(width, states, bias=False)
        self.through = nn.Parameter(torch.ones(width))
        self.last = nn.Linear(width, width)

    def forward(self, hidden):
        step = F.softplus(self.step(hidden))  # (batch, time, width)
        kept = torch.exp(-step[..., None] * self.rates.exp())  # (batch, time, width, states)
        added = (step * hidden)[..., None] * self.into(hidden)[:, :, None]
        read = self.out(hidden)
        state, found = torch.zeros_like(added[:, 0]), []
        for place in range(hidden.shape[1]):
            state = kept[:, place] * state + added[:, place]
            found.append((state * read[:, place, None]).sum(-1))
        return self.last((torch.stack(found, dim=1) + self.through * hidden) * F.silu(self.gate(hidden)))


class Mamba(nn.Module):
    def __init__(self, width=16, depth=2):
        super().__init__()
        self.tokens = nn.Embedding(19, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.scans = nn.ModuleList(Scan(width) for _ in range(depth))
        self.last, self.head = nn.LayerNorm(width), nn.Linear(width, 19)

    def forward(self, tokens):
        hidden = self.tokens(tokens)
        for norm, scan in zip(self.norms, self.scans):
            hidden = hidden + scan(norm(hidden))
        return self.head(self.last(hidden))


def build_model():
    return Mamba()


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[-1].flatten())
