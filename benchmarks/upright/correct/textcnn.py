"""Kim-style text CNN on padded token ids; batches are bucketed by length and trimmed to their longest text."""
import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Sampler, TensorDataset

META = {
    "name": "textcnn", "task": "classification", "num_classes": 4,
    "inputs": [
        {"name": "ids", "shape": ["B", "T"], "dtype": "int64", "low": 1, "high": 50},
        {"name": "mask", "shape": ["B", "T"], "dtype": "bool", "role": "padding_mask"},
    ],
    "target": {"shape": ["B"], "dtype": "int64", "high": 4},
    "output_shape": ["B", 4], "oracle": "onehot", "pad_id": 0,
    "causal": False, "positional": "tokens",
    "claims": {"params": 8596},
}
PAD, VOCAB, CLASSES, MAX_LEN = 0, 50, 4, 24


class TextCNN(nn.Module):
    def __init__(self, dim=24, filters=32, widths=(1, 3, 5), dropout=0.3):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        # odd widths with "same" padding: the padded embedding is zero too, so a text's features
        # do not depend on how much padding follows it
        self.convs = nn.ModuleList([nn.Conv1d(dim, filters, w, padding=w // 2) for w in widths])
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(filters * len(widths), CLASSES)

    def forward(self, ids, mask):
        keep = mask.unsqueeze(1).float()
        x = self.embedding(ids).transpose(1, 2) * keep
        # relu output is >= 0, so zeroed pads can never win the maximum over a real token
        pooled = [(F.relu(conv(x)) * keep).amax(dim=-1) for conv in self.convs]
        return self.classifier(self.dropout(torch.cat(pooled, dim=-1)))


def build_model():
    return TextCNN()


def load_raw(seed=0):
    """The class is given by a planted ordered bigram: (a, b), (b, a), (c, d) or (d, c).

    The four words also occur alone elsewhere, so that single words say little; order decides.
    """
    rng = random.Random(seed)
    a, b, c, d = 5, 6, 7, 8
    bigrams = [(a, b), (b, a), (c, d), (d, c)]
    n = 900
    ids = torch.full((n, MAX_LEN), PAD)
    labels = torch.tensor([i % CLASSES for i in range(n)])
    for i in range(n):
        length = rng.randint(8, MAX_LEN)
        words = [rng.randint(9, VOCAB - 1) for _ in range(length)]
        at = rng.randrange(0, length - 1)
        words[at], words[at + 1] = bigrams[i % CLASSES]
        # one loose word from the other pair, never beside another key word
        free = [j for j in range(length) if j < at - 1 or j > at + 2]
        words[rng.choice(free)] = rng.choice((c, d) if i % CLASSES < 2 else (a, b))
        ids[i, :length] = torch.tensor(words)
    return ids, labels


def make_splits(raw=None, seed=0):
    ids, labels = load_raw(seed) if raw is None else raw
    order = list(range(len(labels)))
    random.Random(seed + 1).shuffle(order)
    order = torch.tensor(order)
    cut1, cut2 = int(0.7 * len(order)), int(0.85 * len(order))
    parts = {"train": order[:cut1], "val": order[cut1:cut2], "test": order[cut2:]}
    return {k: TensorDataset(ids[i], ids[i] != PAD, labels[i]) for k, i in parts.items()}


class BucketBatchSampler(Sampler):
    """Shuffle, sort within pools of `pool` batches by length, and yield the batches in random order."""

    def __init__(self, lengths, batch_size, pool=8):
        self.lengths, self.batch_size, self.pool = lengths, batch_size, pool

    def __len__(self):
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self):
        order = torch.randperm(len(self.lengths)).tolist()
        chunk = self.batch_size * self.pool
        batches = []
        for i in range(0, len(order), chunk):
            part = sorted(order[i:i + chunk], key=lambda j: self.lengths[j])
            batches += [part[j:j + self.batch_size] for j in range(0, len(part), self.batch_size)]
        for k in torch.randperm(len(batches)).tolist():
            yield batches[k]


def collate(rows):
    ids, mask, y = (torch.stack(col) for col in zip(*rows))
    longest = int(mask.sum(dim=1).max())
    return ids[:, :longest], mask[:, :longest], y


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[2])


def train(model, splits, steps=240, batch_size=32, lr=4e-3, eval_every=40):
    data = splits["train"]
    lengths = [int(row[1].sum()) for row in data]
    loader = DataLoader(data, batch_sampler=BucketBatchSampler(lengths, batch_size), collate_fn=collate)
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    sched = torch.optim.lr_scheduler.LinearLR(opt, start_factor=1.0, end_factor=0.1, total_iters=steps)
    history, best, best_state = [], -1.0, None
    while len(history) < steps:
        for batch in loader:
            model.train()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 3.0)
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) % eval_every == 0 or len(history) == steps:
                score = evaluate(model, splits["val"])
                if score > best:
                    best, best_state = score, {k: v.clone() for k, v in model.state_dict().items()}
            if len(history) == steps:
                break
    if best_state is not None:
        model.load_state_dict(best_state)
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """accuracy"""
    model.eval()
    correct = 0
    for batch in DataLoader(dataset, batch_size=64, collate_fn=collate):
        correct += int((model(*model_inputs(batch)).argmax(-1) == batch[2]).sum())
    return correct / len(dataset)


def run(model, splits, steps=240):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("accuracy", run(build_model(), make_splits())["test"], "(chance 0.25)")
