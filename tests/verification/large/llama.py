"""A decoder of 6.7 billion parameters with rotary positions and a gated feed-forward (arXiv 2302.13971, table 2)."""

import torch
import torch.nn.functional as F
from torch import nn

VOCABULARY = 32000
META = {
    "name": "llama",
    "task": "lm",
    "inputs": [{"name": "tokens", "shape": ["B", "T"], "dtype": "int64", "high": VOCABULARY}],
    "target": {"shape": ["B", "T"], "dtype": "int64", "high": VOCABULARY},
    "output_shape": ["B", "T", VOCABULARY],
    "oracle": "onehot_last",
    "causal": True,
    "claims": {"params": 6738415616, "mflops": 92515, "depth": 32, "norm": "pre", "positions": "rotary", "attn_scale": True},
    "shrink": {"width": 48, "depth": 2, "heads": 3, "hidden": 112},
    "training": {"batch": 2, "length": 64, "memory": 128 * 1024 * 1024 * 1024},
}


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, hidden):
        return hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


def turned(part, angles):
    """part: (batch, heads, time, size); pairs are halves of the last axis."""
    first, second = part.chunk(2, dim=-1)
    return torch.cat([first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()], -1)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, hidden):
        batch, time, width = hidden.shape
        size = width // self.heads
        query, key, value = (
            layer(hidden).view(batch, time, self.heads, size).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        rates = 10000.0 ** (-torch.arange(0, size, 2, device=hidden.device).float() / size)
        angles = torch.arange(time, device=hidden.device).float()[:, None] * rates  # (time, size / 2)
        mixed = F.scaled_dot_product_attention(turned(query, angles), turned(key, angles), value, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(batch, time, width))


class FeedForward(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.gate, self.up = nn.Linear(width, hidden, bias=False), nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, hidden):
        return self.down(F.silu(self.gate(hidden)) * self.up(hidden))


class Block(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.first, self.second = Norm(width), Norm(width)
        self.attention, self.feed_forward = Attention(width, heads), FeedForward(width, hidden)

    def forward(self, hidden):
        hidden = hidden + self.attention(self.first(hidden))
        return hidden + self.feed_forward(self.second(hidden))


class Llama(nn.Module):
    def __init__(self, width, depth, heads, hidden):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.blocks = nn.ModuleList(Block(width, heads, hidden) for _ in range(depth))
        self.norm = Norm(width)
        self.head = nn.Linear(width, VOCABULARY, bias=False)

    def forward(self, tokens):
        hidden = self.tokens(tokens)
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(self.norm(hidden))


def build_model(width=4096, depth=32, heads=32, hidden=11008):
    return Llama(width, depth, heads, hidden)


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[-1].flatten())
