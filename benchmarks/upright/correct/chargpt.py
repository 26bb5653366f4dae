"""Character language model: fused-attention GPT with tied embeddings; sampling re-reads the context (no KV cache)."""
import random
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "chargpt", "task": "lm", "num_classes": 28,
    "inputs": [{"name": "ids", "shape": ["B", "T"], "dtype": "int64", "high": 28}],
    "batch": [{"name": "ids", "shape": ["B", "T+1"], "dtype": "int64", "high": 28}],
    "output_shape": ["B", "T", 28], "oracle": "next_token",
    "causal": True, "positional": "tokens",
    "claims": {"params": 60672, "norm": "pre", "residual_adds": 4, "attn_scale": True, "tied": True},
}

CHARS = " .abcdefghijklmnopqrstuvwxyz"
STOI = {c: i for i, c in enumerate(CHARS)}


@dataclass
class GPTConfig:
    vocab: int = len(CHARS)
    block: int = 64
    layers: int = 2
    heads: int = 4
    dim: int = 48
    dropout: float = 0.05


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.dropout = c.heads, c.dropout
        self.in_proj = nn.Linear(c.dim, 3 * c.dim, bias=False)
        self.out_proj = nn.Linear(c.dim, c.dim, bias=False)

    def forward(self, x):
        B, T, D = x.shape
        q, k, v = (z.reshape(B, T, self.heads, -1).transpose(1, 2) for z in self.in_proj(x).chunk(3, dim=-1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=self.dropout if self.training else 0.0)
        return self.out_proj(y.transpose(1, 2).reshape(B, T, D))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm_a, self.attn = nn.LayerNorm(c.dim), Attention(c)
        self.norm_m = nn.LayerNorm(c.dim)
        self.mlp = nn.Sequential(nn.Linear(c.dim, 4 * c.dim), nn.GELU(), nn.Linear(4 * c.dim, c.dim))
        self.drop = nn.Dropout(c.dropout)

    def forward(self, x):
        x = x + self.drop(self.attn(self.norm_a(x)))
        return x + self.drop(self.mlp(self.norm_m(x)))


class CharGPT(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.config = c
        self.wte, self.wpe = nn.Embedding(c.vocab, c.dim), nn.Embedding(c.block, c.dim)
        self.drop = nn.Dropout(c.dropout)
        self.blocks = nn.Sequential(*(Block(c) for _ in range(c.layers)))
        self.norm = nn.LayerNorm(c.dim)
        self.lm_head = nn.Linear(c.dim, c.vocab, bias=False)
        for name, p in self.named_parameters():
            if p.ndim == 2:
                residual_out = name.endswith(("out_proj.weight", "mlp.2.weight"))
                nn.init.normal_(p, std=0.05 / (2 * c.layers) ** 0.5 if residual_out else 0.05)
        self.lm_head.weight = self.wte.weight

    def forward(self, ids):
        pos = torch.arange(ids.size(1), device=ids.device)
        return self.lm_head(self.norm(self.blocks(self.drop(self.wte(ids) + self.wpe(pos)))))

    @torch.no_grad()
    def generate(self, ids, count, temperature=1.0):
        was_training = self.training
        self.eval()
        for _ in range(count):
            logits = self(ids[:, -self.config.block:])[:, -1] / temperature
            ids = torch.cat([ids, torch.multinomial(logits.softmax(-1), 1)], dim=1)
        self.train(was_training)
        return ids


def build_model():
    return CharGPT(GPTConfig())


def load_raw(seed=0, lines=700, length=49):
    """Independent lines, each a random walk over a small invented lexicon, cut to one length."""
    rng = random.Random(seed)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    words = ["".join(rng.sample(syllables, rng.choice((1, 2, 2, 3)))) for _ in range(60)]
    follows = {w: rng.sample(words, 8) for w in words}
    rows = []
    for _ in range(lines):
        word, text = rng.choice(words), ""
        while len(text) < length:
            text += word + (". " if rng.random() < 0.15 else " ")
            word = rng.choice(follows[word])
        rows.append([STOI[ch] for ch in text[:length]])
    return (torch.tensor(rows),)


def make_splits(raw=None, seed=0):
    (ids,) = load_raw(seed) if raw is None else raw
    ids = torch.unique(ids, dim=0)  # no line may sit in two splits
    ids = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed + 1))]
    a, b = int(0.75 * len(ids)), int(0.85 * len(ids))
    return {"train": TensorDataset(ids[:a]), "val": TensorDataset(ids[a:b]), "test": TensorDataset(ids[b:])}


def model_inputs(batch):
    return (batch[0][:, :-1],)


def compute_loss(out, batch):
    return F.cross_entropy(out.transpose(1, 2), batch[0][:, 1:])


def make_optimizer(model, lr):
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
                             lr=lr, betas=(0.9, 0.95))


def train(model, splits, steps=160, batch_size=32, lr=4e-3):
    opt = make_optimizer(model, lr)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=lr, total_steps=steps, pct_start=0.1)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    history, stream = [], iter(())
    model.train()
    for _ in range(steps):
        batch = next(stream, None)
        if batch is None:
            stream = iter(loader)
            batch = next(stream)
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        sched.step()
        history.append(loss.item())
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Mean negative log likelihood of a character, in nats."""
    model.eval()
    nll, count = 0.0, 0
    for batch in DataLoader(dataset, batch_size=50):
        characters = batch[0][:, 1:].numel()
        nll += compute_loss(model(*model_inputs(batch)), batch).item() * characters
        count += characters
    return nll / count


def run(model, splits, steps=160):
    history = train(model, splits, steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    net = build_model()
    result = run(net, make_splits())
    print("nats per character:", result["test"])
    print("".join(CHARS[i] for i in net.generate(torch.tensor([[STOI["b"]]]), 60)[0].tolist()))
