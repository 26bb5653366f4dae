"""Encoder-decoder transformer that translates short phrases; teacher forcing, greedy decoding, exact match."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

VOCAB, PAD, BOS, EOS, SOURCE, TARGET = 20, 0, 1, 2, 8, 10
META = {
    "name": "translate", "task": "seq2seq", "num_classes": VOCAB,
    "inputs": [
        {"name": "source", "shape": ["B", SOURCE], "dtype": "int64", "low": 3, "high": VOCAB},
        {"name": "prefix", "shape": ["B", TARGET - 1], "dtype": "int64", "low": 3, "high": VOCAB},
    ],
    "batch": [
        {"name": "source", "shape": ["B", SOURCE], "dtype": "int64", "low": 3, "high": VOCAB},
        {"name": "target", "shape": ["B", TARGET], "dtype": "int64", "low": 3, "high": VOCAB},
    ],
    "output_shape": ["B", TARGET - 1, VOCAB], "oracle": None, "pad_id": PAD,
    "causal": {"input": 1, "in_dim": 1, "out_dim": 1}, "positional": "tokens",
    "claims": {"attn_scale": True},
}


def sinusoids(length, dim):
    place = torch.arange(length).unsqueeze(1)
    freq = torch.exp(-math.log(10000.0) * torch.arange(0, dim, 2) / dim)
    table = torch.zeros(length, dim)
    table[:, 0::2] = torch.sin(place * freq)
    table[:, 1::2] = torch.cos(place * freq)
    return table


class MultiHead(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.v, self.o = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x, memory, allowed):
        def split(y):
            return y.view(y.shape[0], y.shape[1], self.heads, -1).transpose(1, 2)

        q, k, v = split(self.q(x)), split(self.k(memory)), split(self.v(memory))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        weights = scores.masked_fill(~allowed, -1e9).softmax(-1)
        return self.o((weights @ v).transpose(1, 2).flatten(2))


class EncoderLayer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.attend, self.norm1, self.norm2 = MultiHead(dim, heads), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.feed = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))

    def forward(self, x, allowed):
        h = self.norm1(x)
        x = x + self.attend(h, h, allowed)
        return x + self.feed(self.norm2(x))


class DecoderLayer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.attend, self.cross = MultiHead(dim, heads), MultiHead(dim, heads)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.feed = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))

    def forward(self, x, memory, causal, source_allowed):
        h = self.norm1(x)
        x = x + self.attend(h, h, causal)
        x = x + self.cross(self.norm2(x), memory, source_allowed)
        return x + self.feed(self.norm3(x))


class Translator(nn.Module):
    def __init__(self, dim=48, heads=4, depth=1):
        super().__init__()
        self.dim = dim
        self.source, self.target = nn.Embedding(VOCAB, dim), nn.Embedding(VOCAB, dim)
        nn.init.normal_(self.source.weight, std=dim ** -0.5)
        nn.init.normal_(self.target.weight, std=dim ** -0.5)
        self.register_buffer("places", sinusoids(TARGET, dim), persistent=False)
        self.encoder = nn.ModuleList([EncoderLayer(dim, heads) for _ in range(depth)])
        self.decoder = nn.ModuleList([DecoderLayer(dim, heads) for _ in range(depth)])
        self.norm_e, self.norm_d = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.head = nn.Linear(dim, VOCAB)

    def encode(self, source):
        allowed = (source != PAD)[:, None, None, :]
        x = self.source(source) * math.sqrt(self.dim) + self.places[:source.shape[1]]
        for layer in self.encoder:
            x = layer(x, allowed)
        return self.norm_e(x), allowed

    def decode(self, memory, allowed, prefix):
        t = prefix.shape[1]
        causal = torch.ones(t, t, dtype=torch.bool, device=prefix.device).tril()
        x = self.target(prefix) * math.sqrt(self.dim) + self.places[:t]
        for layer in self.decoder:
            x = layer(x, memory, causal, allowed)
        return self.head(self.norm_d(x))

    def forward(self, source, prefix):
        memory, allowed = self.encode(source)
        return self.decode(memory, allowed, prefix)


def build_model():
    return Translator()


def load_raw(seed=0):
    """Phrases of 3 to 8 words; the translation swaps word pairs and maps each word by a dictionary."""
    g = torch.Generator().manual_seed(seed)
    n = 420
    words = torch.randperm(VOCAB - 3, generator=g) + 3
    source = torch.zeros(n, SOURCE, dtype=torch.int64)
    target = torch.zeros(n, TARGET, dtype=torch.int64)
    for i in range(n):
        k = int(torch.randint(3, SOURCE + 1, (1,), generator=g))
        s = torch.randint(3, VOCAB, (k,), generator=g).tolist()
        t = [int(words[w - 3]) for w in s]
        t[0], t[1] = t[1], t[0]
        source[i, :k] = torch.tensor(s)
        target[i, :k + 2] = torch.tensor([BOS, *t, EOS])
    return source, target


def make_splits(raw=None, seed=0):
    source, target = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": order[:320], "val": order[320:370], "test": order[370:]}
    return {k: TensorDataset(source[i], target[i]) for k, i in parts.items()}


def model_inputs(batch):
    return batch[0], batch[1][:, :-1]


def compute_loss(out, batch):
    return F.cross_entropy(out.transpose(1, 2), batch[1][:, 1:], ignore_index=PAD, label_smoothing=0.05)


def train(model, splits, steps=160, batch_size=40, lr=5e-3, warmup=20):
    opt = torch.optim.Adam(model.parameters(), lr=lr, betas=(0.9, 0.98))
    sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min((s + 1) / warmup, (warmup / (s + 1)) ** 0.5))
    history = []
    while len(history) < steps:
        model.train()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def greedy(model, source):
    """Translate without seeing the target: (B, TARGET), PAD after EOS."""
    memory, allowed = model.encode(source)
    text = torch.full((len(source), 1), BOS)
    ended = torch.zeros(len(source), dtype=torch.bool)
    for _ in range(TARGET - 1):
        word = model.decode(memory, allowed, text)[:, -1].argmax(-1)
        word = torch.where(ended, PAD, word)
        ended = ended | (word == EOS)
        text = torch.cat([text, word.unsqueeze(1)], dim=1)
    return text


@torch.no_grad()
def evaluate(model, dataset, batch_size=20):
    """Share of words translated right by greedy decoding, over references' words and EOS."""
    model.eval()
    right, count = 0, 0
    for source, target in DataLoader(dataset, batch_size=batch_size):
        text = greedy(model, source)
        counted = target[:, 1:] != PAD
        right += ((text[:, 1:] == target[:, 1:]) & counted).sum().item()
        count += counted.sum().item()
    return right / count


def run(model, splits, steps=160):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
