"""Masked language model for proteins, in the style of ESM: a pre-norm encoder that fills in hidden residues.

15 % of the residues of a sequence are chosen; of these 80 % become MASK, 10 % a random amino acid and 10 % stay. The
loss counts the chosen residues only. Training chooses anew each time; validation and test have fixed choices.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

PAD, MASK, FIRST, ACIDS, LENGTH, IGNORE = 0, 1, 2, 20, 40, -100
VOCAB = FIRST + ACIDS
META = {
    "name": "protein_mlm", "task": "mlm",
    "inputs": [
        {"name": "tokens", "shape": ["B", LENGTH], "dtype": "int64", "low": 0, "high": VOCAB},
    ],
    "target": {"name": "labels", "shape": ["B", LENGTH], "dtype": "int64", "low": FIRST, "high": VOCAB,
               "ignore": IGNORE},
    "output_shape": ["B", LENGTH, VOCAB], "oracle": "onehot", "causal": False, "pad_id": PAD, "positional": "tokens",
    "claims": {"norm": "pre", "residual_adds": 4, "attn_scale": 16 ** -0.5},
}


class Layer(nn.Module):
    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.ff = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim))
        self.dropout = nn.Dropout(dropout)

    def attend(self, x, real):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) * (d // self.heads) ** -0.5
        scores = scores.masked_fill(~real[:, None, None, :], -1e9)
        mixed = self.dropout(scores.softmax(dim=-1)) @ v
        return self.out(mixed.transpose(1, 2).reshape(b, t, d))

    def forward(self, x, real):
        x = x + self.dropout(self.attend(self.norm1(x), real))
        return x + self.dropout(self.ff(self.norm2(x)))


class ProteinEncoder(nn.Module):
    def __init__(self, dim=64, heads=4, layers=2, dropout=0.05):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        self.position = nn.Embedding(LENGTH, dim)
        self.layers = nn.ModuleList([Layer(dim, heads, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, VOCAB)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.position.weight, std=0.5)

    def forward(self, tokens):
        real = tokens != PAD
        x = self.dropout(self.embed(tokens) + self.position(torch.arange(tokens.shape[1])))
        for layer in self.layers:
            x = layer(x, real)
        return self.head(self.norm(x))


def build_model():
    return ProteinEncoder()


def load_raw(seed=0):
    """Proteins of 8 families: each is its family's consensus with mutations, cut short at a random length."""
    g = torch.Generator().manual_seed(seed)
    n = 1200
    consensus = torch.randint(FIRST, VOCAB, (8, LENGTH), generator=g)
    tokens = consensus[torch.randint(0, 8, (n,), generator=g)]
    mutated = torch.rand(n, LENGTH, generator=g) < 0.1
    tokens = torch.where(mutated, torch.randint(FIRST, VOCAB, (n, LENGTH), generator=g), tokens)
    length = torch.randint(20, LENGTH + 1, (n,), generator=g)
    return tokens.masked_fill(torch.arange(LENGTH)[None] >= length[:, None], PAD)


def corrupt(tokens, generator=None):
    """Give the tokens that the network reads and the labels (IGNORE where nothing is to be predicted)."""
    chosen = (torch.rand(tokens.shape, generator=generator) < 0.15) & (tokens != PAD)
    dice = torch.rand(tokens.shape, generator=generator)
    random = torch.randint(FIRST, VOCAB, tokens.shape, generator=generator)
    read = tokens.masked_fill(chosen & (dice < 0.8), MASK)
    read = torch.where(chosen & (dice >= 0.8) & (dice < 0.9), random, read)
    return read, tokens.masked_fill(~chosen, IGNORE)


class Masked(Dataset):
    def __init__(self, tokens, fixed):
        self.tokens, self.fixed = tokens, fixed

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index) if self.fixed else None
        return corrupt(self.tokens[index], generator)


def make_splits(raw=None, seed=0):
    tokens = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(seed))
    return {
        "train": Masked(tokens[order[:900]], fixed=False),
        "val": Masked(tokens[order[900:1050]], fixed=True),
        "test": Masked(tokens[order[1050:]], fixed=True),
    }


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[1].flatten(), ignore_index=IGNORE)


def train(model, splits, steps=150, batch_size=32, accumulate=2, lr=2e-3, warmup=20):
    """Each step averages the gradient over `accumulate` batches."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)

    def factor(step):
        return min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    history, running, seen = [], 0.0, 0
    model.train()
    while True:
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True):
            loss = compute_loss(model(*model_inputs(batch)), batch) / accumulate
            loss.backward()
            running += loss.item()
            seen += 1
            if seen % accumulate:
                continue
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
            history.append(running)
            running = 0.0
            if len(history) == steps:
                return history


@torch.no_grad()
def evaluate(model, dataset):
    """Perplexity of the chosen residues."""
    model.eval()
    nll, count = 0.0, 0
    for batch in DataLoader(dataset, batch_size=50):
        out = model(*model_inputs(batch)).flatten(0, 1)
        nll += F.cross_entropy(out, batch[1].flatten(), ignore_index=IGNORE, reduction="sum").item()
        count += (batch[1] != IGNORE).sum().item()
    return math.exp(nll / count)


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print(result["history"][0], result["history"][-1], result["test"])
