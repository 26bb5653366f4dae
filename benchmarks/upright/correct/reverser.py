"""Encoder-decoder transformer (torch.nn.Transformer) that reverses padded strings; scored by greedy decoding."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

PAD, BOS, EOS = 0, 1, 2
FIRST, VOCAB, SRC_LEN = 3, 15, 8
TGT_LEN = SRC_LEN + 1  # the string and its EOS

META = {
    "name": "reverser", "task": "seq2seq", "num_classes": VOCAB,
    "inputs": [
        {"name": "src", "shape": ["B", SRC_LEN], "dtype": "int64", "low": FIRST, "high": VOCAB},
        {"name": "src_mask", "shape": ["B", SRC_LEN], "dtype": "bool", "role": "padding_mask"},
        {"name": "tgt_in", "shape": ["B", TGT_LEN], "dtype": "int64", "low": FIRST, "high": VOCAB},
    ],
    "target": {"shape": ["B", TGT_LEN], "dtype": "int64", "low": FIRST, "high": VOCAB, "ignore": PAD},
    "output_shape": ["B", TGT_LEN, VOCAB], "oracle": "onehot_last", "pad_id": PAD,
    "causal": {"input": 2, "in_dim": 1, "out_dim": 1}, "positional": "tokens",
    "claims": {"params": 96495, "norm": "pre", "residual_adds": 10, "attn_scale": True},
}


def sinusoids(length, dim):
    pos = torch.arange(length).unsqueeze(1)
    rate = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
    table = torch.zeros(length, dim)
    table[:, 0::2], table[:, 1::2] = torch.sin(pos * rate), torch.cos(pos * rate)
    return table


class Seq2Seq(nn.Module):
    def __init__(self, dim=48, heads=4, layers=2, max_len=64):
        super().__init__()
        self.dim = dim
        self.embed = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        self.register_buffer("table", sinusoids(max_len, dim), persistent=False)
        self.core = nn.Transformer(dim, heads, layers, layers, dim_feedforward=2 * dim, dropout=0.0,
                                   batch_first=True, norm_first=True)
        self.generator = nn.Linear(dim, VOCAB)
        nn.init.normal_(self.embed.weight, std=dim ** -0.5)
        with torch.no_grad():
            self.embed.weight[PAD].zero_()

    def lookup(self, ids):
        return self.embed(ids) * math.sqrt(self.dim) + self.table[: ids.shape[1]]

    def encode(self, src, src_mask):
        return self.core.encoder(self.lookup(src), src_key_padding_mask=~src_mask)

    def decode(self, memory, src_mask, tgt_in):
        t = tgt_in.shape[1]
        future = torch.ones(t, t, dtype=torch.bool, device=tgt_in.device).triu(1)
        # targets are padded on the right only, so the causal mask already hides padding from real positions
        h = self.core.decoder(self.lookup(tgt_in), memory, tgt_mask=future, memory_key_padding_mask=~src_mask)
        return self.generator(h)

    def forward(self, src, src_mask, tgt_in):
        return self.decode(self.encode(src, src_mask), src_mask, tgt_in)


def build_model():
    return Seq2Seq()


def load_raw(seed=0, n=2400):
    g = torch.Generator().manual_seed(seed)
    length = torch.randint(4, SRC_LEN + 1, (n, 1), generator=g)
    where = torch.arange(SRC_LEN)
    mask = where < length
    src = torch.where(mask, torch.randint(FIRST, VOCAB, (n, SRC_LEN), generator=g), PAD)
    back = torch.where(mask, src.gather(1, (length - 1 - where).clamp(min=0)), PAD)
    tgt = torch.cat([torch.full((n, 1), BOS), back, torch.full((n, 1), PAD)], dim=1)
    tgt.scatter_(1, length + 1, EOS)
    return src, tgt


def make_splits(raw=None, seed=0):
    src, tgt = load_raw(seed) if raw is None else raw
    both = torch.unique(torch.cat([src, tgt], dim=1), dim=0)  # the target is a function of the source
    both = both[torch.randperm(len(both), generator=torch.Generator().manual_seed(seed + 1))]
    src, tgt = both[:, :SRC_LEN], both[:, SRC_LEN:]
    full = TensorDataset(src, src != PAD, tgt[:, :-1], tgt[:, 1:])
    test, val = slice(0, 150), slice(150, 300)
    pick = lambda s: TensorDataset(*(t[s] for t in full.tensors))
    return {"train": pick(slice(300, None)), "val": pick(val), "test": pick(test)}


def model_inputs(batch):
    return batch[0], batch[1], batch[2]


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[3].flatten(), ignore_index=PAD)


def train(model, splits, steps=180, batch_size=64, lr=3e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr, betas=(0.9, 0.98))
    ramp = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1.0, (s + 1) / 40) * (1 - 0.9 * s / steps))
    history, epoch = [], iter(())
    model.train()
    for _ in range(steps):
        try:
            batch = next(epoch)
        except StopIteration:
            epoch = iter(DataLoader(splits["train"], batch_size=batch_size, shuffle=True))
            batch = next(epoch)
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        ramp.step()
        history.append(loss.item())
    return history


@torch.no_grad()
def greedy(model, src, src_mask, limit):
    memory = model.encode(src, src_mask)
    ids = torch.full((len(src), 1), BOS, device=src.device)
    done = torch.zeros(len(src), dtype=torch.bool, device=src.device)
    for _ in range(limit):
        token = model.decode(memory, src_mask, ids)[:, -1].argmax(-1).masked_fill(done, PAD)
        ids = torch.cat([ids, token[:, None]], dim=1)
        done |= token == EOS
    return ids[:, 1:]


@torch.no_grad()
def evaluate(model, dataset):
    """Share of strings decoded without a single wrong symbol, length included."""
    model.eval()
    exact = 0
    for src, src_mask, _, want in DataLoader(dataset, batch_size=75):
        exact += (greedy(model, src, src_mask, want.shape[1]) == want).all(dim=1).sum().item()
    return exact / len(dataset)


def run(model, splits, steps=180):
    history = train(model, splits, steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("exact match", run(build_model(), make_splits())["test"])
