"""Mixture-of-experts decoder (RMSNorm, rotary positions, SwiGLU experts, top-2 routing); perplexity."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

VOCAB, PAD, CONTEXT = 27, 0, 20
META = {
    "name": "moe_lm", "task": "lm", "num_classes": VOCAB,
    "inputs": [{"name": "ids", "shape": ["B", "T"], "dtype": "int64", "low": 1, "high": VOCAB}],
    "batch": [{"name": "ids", "shape": ["B", "T+1"], "dtype": "int64", "low": 1, "high": VOCAB}],
    "output_shape": [["B", "T", VOCAB], []], "oracle": None, "pad_id": PAD,
    "causal": True, "positional": "tokens",
    "claims": {"norm": "pre", "residual_adds": 4, "attn_scale": True, "positions": "rotary", "params": 59488},
}


class RMSNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def rotate(x):
    """Rotary position embedding of (B, heads, T, head_dim)."""
    t, half = x.shape[2], x.shape[3] // 2
    freq = 1000.0 ** (-torch.arange(half, device=x.device) / half)
    angle = torch.arange(t, device=x.device).unsqueeze(1) * freq
    cos, sin = angle.cos(), angle.sin()
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.size = heads, dim // heads
        self.wq, self.wk = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.wv, self.wo = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (w(x).view(b, t, self.heads, self.size).transpose(1, 2) for w in (self.wq, self.wk, self.wv))
        q, k = rotate(q), rotate(k)
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.size)
        future = torch.ones(t, t, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, float("-inf")).softmax(-1)
        return self.wo((weights @ v).transpose(1, 2).reshape(b, t, d))


class Expert(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.gate, self.up = nn.Linear(dim, hidden, bias=False), nn.Linear(dim, hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class MoE(nn.Module):
    def __init__(self, dim, hidden, experts=4, top=2):
        super().__init__()
        self.router = nn.Linear(dim, experts, bias=False)
        self.experts = nn.ModuleList([Expert(dim, hidden) for _ in range(experts)])
        self.top = top

    def forward(self, x):
        flat = x.reshape(-1, x.shape[-1])
        probs = self.router(flat).softmax(-1)
        weight, chosen = probs.topk(self.top, dim=-1)
        weight = weight / weight.sum(-1, keepdim=True)
        out = torch.zeros_like(flat)
        for e, expert in enumerate(self.experts):
            token, slot = (chosen == e).nonzero(as_tuple=True)
            out.index_add_(0, token, weight[token, slot].unsqueeze(-1) * expert(flat[token]))
        # load balance (Switch Transformer, eq. 4): share of tokens times mean probability
        share = F.one_hot(chosen, len(self.experts)).float().sum(1).mean(0) / self.top
        balance = len(self.experts) * (share * probs.mean(0)).sum()
        return out.view_as(x), balance


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(dim), RMSNorm(dim)
        self.attention, self.moe = Attention(dim, heads), MoE(dim, 2 * dim)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        y, balance = self.moe(self.norm2(x))
        return x + y, balance


class MoELM(nn.Module):
    def __init__(self, dim=32, depth=2, heads=4):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim)
        self.blocks = nn.ModuleList([Block(dim, heads) for _ in range(depth)])
        self.norm = RMSNorm(dim)
        self.head = nn.Linear(dim, VOCAB, bias=False)
        for name, p in self.named_parameters():
            if p.ndim == 2:
                nn.init.normal_(p, std=0.02 if "embed" in name else 0.1)

    def forward(self, ids):
        x, balance = self.embed(ids), 0.0
        for block in self.blocks:
            x, b = block(x)
            balance = balance + b
        return self.head(self.norm(x)), balance / len(self.blocks)


def build_model():
    return MoELM()


def load_raw(seed=0):
    """Sentences of a second-order language: each token follows from the two before it, mostly; padded on the right."""
    g = torch.Generator().manual_seed(seed)
    n = 260
    ids = torch.zeros(n, CONTEXT + 1, dtype=torch.int64)
    ids[:, 0] = torch.randint(1, VOCAB, (n,), generator=g)
    step = torch.randint(1, 5, (n,), generator=g)
    for k in range(1, CONTEXT + 1):
        turn = torch.rand(n, generator=g) < 0.08
        step = torch.where(turn, torch.randint(1, 5, (n,), generator=g), step)
        ids[:, k] = (ids[:, k - 1] - 1 + step) % (VOCAB - 1) + 1
    length = torch.randint(10, CONTEXT + 2, (n, 1), generator=g)
    return (ids * (torch.arange(CONTEXT + 1) < length),)


def make_splits(raw=None, seed=0):
    (ids,) = load_raw(seed) if raw is None else raw
    ids = torch.unique(ids, dim=0)
    ids = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed + 1))]
    a, b = int(0.7 * len(ids)), int(0.85 * len(ids))
    return {"train": TensorDataset(ids[:a]), "val": TensorDataset(ids[a:b]), "test": TensorDataset(ids[b:])}


def model_inputs(batch):
    return (batch[0][:, :-1],)


def token_loss(logits, ids, reduction="mean"):
    return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=PAD, reduction=reduction)


def compute_loss(out, batch, balance_weight=0.01):
    logits, balance = out
    return token_loss(logits, batch[0]) + balance_weight * balance


def train(model, splits, steps=80, batch_size=30, lr=1e-2, accumulate=2):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps, eta_min=lr / 10)
    history = []
    while len(history) < steps:
        model.train()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True):
            opt.zero_grad()
            total = 0.0
            for part in batch[0].chunk(accumulate):
                loss = compute_loss(model(*model_inputs((part,))), (part,)) / accumulate
                loss.backward()
                total += loss.item()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            sched.step()
            history.append(total)
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=16):
    """Perplexity a token."""
    model.eval()
    nll, tokens = 0.0, 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        logits, _ = model(*model_inputs(batch))
        nll += token_loss(logits, batch[0], reduction="sum").item()
        tokens += (batch[0][:, 1:] != PAD).sum().item()
    return math.exp(nll / tokens)


def run(model, splits, steps=80):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
