"""Small decoder-only language model: RMSNorm, rotary positions, SwiGLU, gradient accumulation."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

CHARS = "\n abcdefghijklmnopqrstuvwxyz."
VOCAB, BLOCK = len(CHARS), 48

META = {
    "name": "charlm", "task": "lm", "num_classes": VOCAB,
    "inputs": [{"name": "ids", "shape": ["B", "T"], "dtype": "int64", "high": VOCAB}],
    "batch": [{"name": "ids", "shape": ["B", "T+1"], "dtype": "int64", "high": VOCAB}],
    "output_shape": ["B", "T", VOCAB], "oracle": "next_token",
    "causal": True, "positional": "tokens",
    "claims": {"norm": "pre", "residual_adds": 4, "attn_scale": True, "tied": True, "positions": "rotary"},
}


class RMSNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + self.eps) * self.weight


def rotate(x):
    """Rotary position embedding of (B, H, T, D), halves convention."""
    half = x.shape[-1] // 2
    freq = 10000.0 ** (-torch.arange(half, device=x.device) / half)
    angle = torch.arange(x.shape[-2], device=x.device)[:, None] * freq[None]
    cos, sin = angle.cos(), angle.sin()
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        q, k = rotate(q), rotate(k)
        scores = q @ k.transpose(-2, -1) / math.sqrt(d // self.heads)
        allowed = torch.ones(t, t, dtype=torch.bool, device=x.device).tril()
        scores = scores.masked_fill(~allowed, float("-inf"))
        y = scores.softmax(dim=-1) @ v
        return self.out(y.transpose(1, 2).reshape(b, t, d))


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(dim), RMSNorm(dim)
        self.attn = Attention(dim, heads)
        self.gate, self.up = nn.Linear(dim, 2 * dim, bias=False), nn.Linear(dim, 2 * dim, bias=False)
        self.down = nn.Linear(2 * dim, dim, bias=False)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class CharLM(nn.Module):
    def __init__(self, dim=48, heads=4, layers=2):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(layers))
        self.norm = RMSNorm(dim)
        self.lm_head = nn.Linear(dim, VOCAB, bias=False)
        nn.init.normal_(self.embed.weight, std=0.1)
        self.lm_head.weight = self.embed.weight

    def forward(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.lm_head(self.norm(x))


def build_model():
    return CharLM()


def load_raw(seed=0):
    """One long text: sentences of a little grammar, subject and verb agree."""
    g = torch.Generator().manual_seed(seed)
    pick = lambda words: words[int(torch.randint(len(words), (1,), generator=g))]
    names, things = ["the dog", "a bird", "my aunt", "the king"], ["a bone", "the moon", "some bread", "an old map"]
    many = ["the dogs", "two birds", "my sisters", "the kings"]
    verbs = [("sees", "see"), ("wants", "want"), ("finds", "find"), ("paints", "paint")]
    lines = []
    for _ in range(700):
        plural = int(torch.randint(2, (1,), generator=g))
        lines.append(f"{pick(many if plural else names)} {pick(verbs)[plural]} {pick(things)}.")
    text = "\n".join(lines)
    return (torch.tensor([CHARS.index(c) for c in text]),)


def make_splits(raw=None, seed=0):
    """The text is cut in three contiguous parts; windows are taken inside each part."""
    (ids,) = load_raw(seed) if raw is None else raw
    a, b = int(0.8 * len(ids)), int(0.9 * len(ids))
    windows = lambda part: part.unfold(0, BLOCK + 1, BLOCK // 2).contiguous()
    parts = {"train": windows(ids[:a]), "val": windows(ids[a:b]), "test": windows(ids[b:])}
    return {k: TensorDataset(v) for k, v in parts.items()}


def model_inputs(batch):
    return (batch[0][:, :-1],)


def compute_loss(out, batch):
    return F.cross_entropy(out.reshape(-1, VOCAB), batch[0][:, 1:].reshape(-1))


def train(model, splits, steps=120, batch_size=16, accumulate=2, lr=4e-3, warmup=10):
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    opt = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}], lr=lr)
    scale = lambda s: min(1.0, (s + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, s / steps)))
    schedule = torch.optim.lr_scheduler.LambdaLR(opt, scale)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    stream, history = iter(loader), []
    model.train()
    for _ in range(steps):
        opt.zero_grad(set_to_none=True)
        total = 0.0
        for _ in range(accumulate):
            batch = next(stream, None)
            if batch is None:
                stream = iter(loader)
                batch = next(stream)
            loss = compute_loss(model(*model_inputs(batch)), batch) / accumulate
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        schedule.step()
        history.append(total)
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=32):
    """Perplexity per character."""
    model.eval()
    nats, count = 0.0, 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        tokens = batch[0][:, 1:].numel()
        nats += compute_loss(model(*model_inputs(batch)), batch).item() * tokens
        count += tokens
    return math.exp(nats / count)


def run(model, splits, steps=120):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "perplexity", result["test"])
