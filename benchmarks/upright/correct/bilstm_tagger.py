"""BiLSTM sequence tagger on packed sequences, trained with token-weighted gradient accumulation."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "bilstm_tagger", "task": "tagging", "num_classes": 5,
    "inputs": [
        {"name": "ids", "shape": ["B", "T"], "dtype": "int64", "low": 1, "high": 24},
        {"name": "mask", "shape": ["B", "T"], "dtype": "bool", "role": "padding_mask"},
    ],
    "target": {"shape": ["B", "T"], "dtype": "int64", "high": 5, "ignore": -100},
    "output_shape": ["B", "T", 5], "oracle": "onehot_last", "pad_id": 0,
    "causal": False, "positional": "tokens",
    "claims": {"params": 9557},
}
PAD, VOCAB, TAGS, IGNORE = 0, 24, 5, -100


class BiLSTMTagger(nn.Module):
    def __init__(self, emb=20, hidden=24):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, emb, padding_idx=PAD)
        self.rnn = nn.LSTM(emb, hidden, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(2 * hidden, TAGS)
        for name, p in self.rnn.named_parameters():
            if "weight_hh" in name:
                for gate in p.data.chunk(4):
                    nn.init.orthogonal_(gate)
            elif "bias_ih" in name:
                nn.init.zeros_(p)
                p.data[hidden:2 * hidden] = 1.0  # forget gate open at the start
            elif "bias_hh" in name:
                nn.init.zeros_(p)

    def forward(self, ids, mask):
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        x = self.drop(self.emb(ids))
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        h, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=ids.shape[1])
        return self.out(self.drop(h))


def build_model():
    return BiLSTMTagger()


def load_raw(seed=0):
    """Tokens 4..23 are words, 1..3 are brackets and a switch.

    tag 0: bracket or switch; tag 1 / 2: a word inside / outside of an open bracket (left context);
    tag 3 / 4: the word right before a switch, even / odd id (right context).
    """
    g = torch.Generator().manual_seed(seed)
    n, t = 500, 18
    ids = torch.randint(4, VOCAB, (n, t), generator=g)
    u = torch.rand(n, t, generator=g)
    ids[u < 0.12], ids[(u >= 0.12) & (u < 0.24)], ids[(u >= 0.24) & (u < 0.36)] = 1, 2, 3
    lengths = torch.randint(7, t + 1, (n,), generator=g)
    mask = torch.arange(t) < lengths[:, None]
    ids = ids.masked_fill(~mask, PAD)
    tags = torch.full((n, t), IGNORE)
    for i in range(n):
        inside = False
        for j in range(int(lengths[i])):
            w = int(ids[i, j])
            if w <= 3:
                inside = True if w == 1 else False if w == 2 else inside
                tags[i, j] = 0
            elif j + 1 < int(lengths[i]) and ids[i, j + 1] == 3:
                tags[i, j] = 3 + w % 2
            else:
                tags[i, j] = 1 if inside else 2
    return ids, mask, tags


def make_splits(raw=None, seed=0):
    ids, mask, tags = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed + 3))
    n = len(ids)
    cut = {"train": perm[: n * 7 // 10], "val": perm[n * 7 // 10: n * 17 // 20], "test": perm[n * 17 // 20:]}
    return {k: TensorDataset(ids[i], mask[i], tags[i]) for k, i in cut.items()}


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    """mean over the real tokens"""
    return F.cross_entropy(out.flatten(0, 1), batch[2].flatten(), ignore_index=IGNORE)


def micro_batches(dataset, size):
    while True:
        yield from DataLoader(dataset, batch_size=size, shuffle=True)


def train(model, splits, steps=160, micro=16, accumulate=2, lr=8e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=steps, eta_min=lr / 20)
    stream, history = micro_batches(splits["train"], micro), []
    model.train()
    for _ in range(steps):
        group = [next(stream) for _ in range(accumulate)]
        counts = [int((b[2] != IGNORE).sum()) for b in group]
        opt.zero_grad()
        total = 0.0
        for batch, count in zip(group, counts):
            # weight by tokens, so that the sum is the mean over the tokens of the whole group
            loss = compute_loss(model(*model_inputs(batch)), batch) * (count / sum(counts))
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        sched.step()
        history.append(total)
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """macro-averaged F1 over the tags, real tokens only"""
    model.eval()
    confusion = torch.zeros(TAGS, TAGS, dtype=torch.long)
    for batch in DataLoader(dataset, batch_size=64):
        pred, gold = model(*model_inputs(batch)).argmax(-1), batch[2]
        keep = gold != IGNORE
        confusion += torch.bincount(gold[keep] * TAGS + pred[keep], minlength=TAGS * TAGS).view(TAGS, TAGS)
    hit = confusion.diag().float()
    f1 = 2 * hit / (confusion.sum(0) + confusion.sum(1)).clamp(min=1)
    return f1.mean().item()


def run(model, splits, steps=160):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("macro F1", run(build_model(), make_splits())["test"])
