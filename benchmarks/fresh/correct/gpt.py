"""Decoder-only language model (rotary positions, RMSNorm, SwiGLU, tied weights) on a toy language that repeats itself.

A sentence is `<bos> word word … <sep>` and then the same words again: the second half is found by looking back.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

VOCAB, LENGTH, WORDS = 16, 20, 9  # LENGTH tokens in, LENGTH targets: sequences of LENGTH + 1
DIM, HEADS, LAYERS = 32, 4, 2
META = {
    "name": "gpt", "task": "lm", "num_classes": VOCAB,
    "inputs": [{"name": "tokens", "shape": ["B", "T"], "dtype": "int64", "low": 0, "high": VOCAB}],
    "batch": [{"name": "tokens", "shape": ["B", "T+1"], "dtype": "int64", "low": 0, "high": VOCAB}],
    "output_shape": ["B", "T", VOCAB], "oracle": "next_token", "causal": True, "positional": "tokens",
    "claims": {"params": 21152, "norm": "pre", "residual_adds": 2 * LAYERS, "positions": "rotary",
               "attn_scale": 1 / math.sqrt(DIM // HEADS)},
}


class RMSNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + self.eps)


def rotate(x):
    """Rotary position embedding. x: (B, heads, T, head_dim)."""
    half = x.shape[-1] // 2
    freqs = 1000.0 ** (-torch.arange(half, dtype=torch.float32) / half)
    angles = torch.arange(x.shape[-2], dtype=torch.float32)[:, None] * freqs
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], dim=-1)


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(DIM, DIM, bias=False) for _ in range(4))

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = (f(x).view(b, t, HEADS, DIM // HEADS).transpose(1, 2) for f in (self.q, self.k, self.v))
        q, k = rotate(q), rotate(k)
        scores = q @ k.transpose(-2, -1) / math.sqrt(DIM // HEADS)
        future = torch.ones(t, t, dtype=torch.bool).triu(diagonal=1)
        scores = scores.masked_fill(future, float("-inf"))
        y = scores.softmax(dim=-1) @ v
        return self.o(y.transpose(1, 2).reshape(b, t, DIM))


class SwiGLU(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.gate, self.up = nn.Linear(DIM, hidden, bias=False), nn.Linear(DIM, hidden, bias=False)
        self.down = nn.Linear(hidden, DIM, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_a, self.norm_f = RMSNorm(DIM), RMSNorm(DIM)
        self.attn, self.ffn = SelfAttention(), SwiGLU()

    def forward(self, x):
        x = x + self.attn(self.norm_a(x))
        x = x + self.ffn(self.norm_f(x))
        return x


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, DIM)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = RMSNorm(DIM)
        self.head = nn.Linear(DIM, VOCAB, bias=False)
        self.apply(self.init_weights)
        self.head.weight = self.embed.weight

    @staticmethod
    def init_weights(module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.1)

    def forward(self, tokens):
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


def build_model():
    return GPT()


def load_raw(seed=0):
    """Sentences of VOCAB - 2 words, the first half from a bigram table and then once more; 0 begins, 1 separates."""
    g = torch.Generator().manual_seed(seed)
    table = torch.softmax(1.5 * torch.randn(VOCAB - 2, VOCAB - 2, generator=g), dim=-1)
    n = 1300
    words = torch.randint(0, VOCAB - 2, (n, 1), generator=g)
    while words.shape[1] < WORDS:
        words = torch.cat([words, torch.multinomial(table[words[:, -1]], 1, generator=g)], dim=1)
    words = words + 2
    bos, sep = torch.zeros(n, 1, dtype=torch.int64), torch.ones(n, 1, dtype=torch.int64)
    return torch.cat([bos, words, sep, words, bos], dim=1)  # closed by the token that begins the next sentence


def make_splits(raw=None, seed=0):
    sentences = load_raw(seed) if raw is None else raw
    return {"train": TensorDataset(sentences[:1000]), "val": TensorDataset(sentences[1000:1100]),
            "test": TensorDataset(sentences[1100:])}


def model_inputs(batch):
    return (batch[0][:, :-1],)


def compute_loss(out, batch):
    target = batch[0][:, 1:]
    return F.cross_entropy(out.reshape(-1, VOCAB), target.reshape(-1))


def configure_optimizer(model, lr):
    decay = [p for p in model.parameters() if p.dim() >= 2]
    no_decay = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": no_decay, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95))


def train(model, splits, steps=130, micro_batch=20, accumulate=2, lr=6e-3):
    """`steps` updates, each of `accumulate` micro-batches."""
    optimizer = configure_optimizer(model, lr)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=steps, pct_start=0.2)
    loader = DataLoader(splits["train"], batch_size=micro_batch, shuffle=True, drop_last=True)
    stream = iter(loader)
    history = []
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        total = 0.0
        for _ in range(accumulate):
            batch = next(stream, None)
            if batch is None:
                stream = iter(loader)
                batch = next(stream)
            loss = compute_loss(model(*model_inputs(batch)), batch) / accumulate
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        history.append(total)
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Perplexity per token."""
    model.eval()
    nll, tokens = 0.0, 0
    for batch in DataLoader(dataset, batch_size=64):
        target = batch[0][:, 1:]
        out = model(*model_inputs(batch))
        nll += F.cross_entropy(out.transpose(1, 2), target, reduction="sum").item()
        tokens += target.numel()
    return math.exp(nll / tokens)


def run(model, splits, steps=130):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test perplexity", result["test"])
