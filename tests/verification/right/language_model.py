"""A decoder of one block that learns which token follows which."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

VOCABULARY = 11
META = {
    "name": "language_model",
    "task": "lm",
    "inputs": [{"name": "tokens", "shape": ["B", "T"], "dtype": "int64", "high": VOCABULARY}],
    "target": {"shape": ["B", "T"], "dtype": "int64", "high": VOCABULARY},
    "output_shape": ["B", "T", VOCABULARY],
    "oracle": "onehot_last",
    "causal": True,
    "positional": "tokens",
    "claims": {"norm": "pre", "residual_adds": 2, "attn_scale": True},
}


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, hidden):
        batch, time, width = hidden.shape
        query, key, value = self.project(hidden).chunk(3, dim=-1)
        query, key, value = (
            part.view(batch, time, self.heads, width // self.heads).transpose(1, 2) for part in (query, key, value)
        )  # (batch, heads, time, width / heads)
        scores = query @ key.transpose(-2, -1) / math.sqrt(width // self.heads)
        future = torch.ones(time, time, dtype=torch.bool, device=hidden.device).triu(1)
        weights = scores.masked_fill(future, float("-inf")).softmax(dim=-1)
        return self.out((weights @ value).transpose(1, 2).reshape(batch, time, width))


class LanguageModel(nn.Module):
    def __init__(self, width=24, heads=3, longest=32):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.positions = nn.Embedding(longest, width)
        self.first, self.second, self.last = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.head = nn.Linear(width, VOCABULARY)

    def forward(self, tokens):
        hidden = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        hidden = hidden + self.attention(self.first(hidden))
        hidden = hidden + self.feed_forward(self.second(hidden))
        return self.head(self.last(hidden))


def build_model():
    return LanguageModel()


def load_raw(seed=0):
    generator = torch.Generator().manual_seed(seed)
    start = torch.randint(VOCABULARY, (128, 1), generator=generator)
    steps = torch.randint(1, 3, (128, 12), generator=generator).cumsum(1)
    return (torch.cat([start, start + steps], dim=1) % VOCABULARY,)


def make_splits(raw=None, seed=0):
    (sequences,) = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(sequences), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": order[:80], "val": order[80:104], "test": order[104:]}
    return {name: TensorDataset(sequences[rows, :-1], sequences[rows, 1:]) for name, rows in parts.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[-1].flatten())


def train(model, splits, steps=40, batch_size=16, learning_rate=3e-3):
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    history = []
    model.train()
    while len(history) < steps:
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
    return history


@torch.no_grad()
def evaluate(model, dataset):
    model.eval()
    right = total = 0
    for batch in DataLoader(dataset, batch_size=16):
        guess = model(*model_inputs(batch)).argmax(-1)
        right += (guess == batch[-1]).sum().item()
        total += batch[-1].numel()
    model.train()
    return right / total


def run(model, splits, steps=40):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}
