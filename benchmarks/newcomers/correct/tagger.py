"""Named-entity tagger: word dropout, bidirectional LSTM over packed sentences, BIO labels, span F1."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, TensorDataset

PAD, UNK, VOCAB, LONGEST = 0, 1, 90, 14
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
IGNORE = -100

META = {
    "name": "tagger", "task": "tagging", "num_classes": len(LABELS),
    "inputs": [
        {"name": "ids", "shape": ["B", LONGEST], "dtype": "int64", "high": VOCAB, "low": 2},
        {"name": "mask", "shape": ["B", LONGEST], "dtype": "bool", "role": "padding_mask"},
    ],
    "target": {"shape": ["B", LONGEST], "dtype": "int64", "high": len(LABELS), "ignore": IGNORE},
    "output_shape": ["B", LONGEST, len(LABELS)], "oracle": "onehot_last", "pad_id": PAD,
    "causal": False, "positional": "tokens", "claims": {},
}


class Tagger(nn.Module):
    def __init__(self, dim=32, hidden=32, word_drop=0.1):
        super().__init__()
        self.word_drop = word_drop
        self.embed = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        self.lstm = nn.LSTM(dim, hidden, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(2 * hidden, len(LABELS))

    def forward(self, ids, mask):
        if self.training:
            # Some words are made unknown, so that the context must be read.
            gone = (torch.rand(ids.shape, device=ids.device) < self.word_drop) & mask
            ids = ids.masked_fill(gone, UNK)
        lengths = mask.sum(dim=1).clamp(min=1)
        lengths, order = lengths.sort(descending=True)
        packed = pack_padded_sequence(self.embed(ids[order]), lengths.cpu(), batch_first=True)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=ids.shape[1])
        back = order.argsort()  # from sorted order to the order of the batch
        return self.head(self.drop(states[back]))


def build_model():
    return Tagger()


def load_raw(seed=0):
    """Documents of six sentences. Any name may be a person or a place, but it keeps its kind within a document.

    Mostly a title announces a person and a preposition a place; sometimes the announcement is missing.
    Words: 2-4 titles, 5-7 prepositions, 8-57 names, the rest filler.
    """
    g = torch.Generator().manual_seed(seed)
    draw = lambda low, high: int(torch.randint(low, high, (1,), generator=g))
    ids, tags, docs = [], [], []
    for doc in range(120):
        own = [[draw(8, 58) for _ in range(3)] for _ in range(2)]  # people, places
        for _ in range(6):
            words, labels, room = [], [], draw(7, LONGEST + 1)
            while len(words) < room:
                kind = draw(0, 4)
                if kind >= 2:
                    words.append(draw(58, VOCAB)), labels.append(0)
                    continue
                cue, begin = (draw(2, 5), 1) if kind == 0 else (draw(5, 8), 3)
                if draw(0, 6) == 0:
                    cue = draw(58, VOCAB)
                size = draw(1, 4)
                words += [cue] + [own[kind][draw(0, 3)] for _ in range(size)]
                labels += [0, begin] + [begin + 1] * (size - 1)
            words, labels = words[:room], labels[:room]
            ids.append(words + [PAD] * (LONGEST - room))
            tags.append(labels + [IGNORE] * (LONGEST - room))
            docs.append(doc)
    return torch.tensor(ids), torch.tensor(tags), torch.tensor(docs)


def make_splits(raw=None, seed=0):
    """Whole documents go to one part: sentences of a document share their names."""
    ids, tags, docs = load_raw(seed) if raw is None else raw
    place = torch.randperm(int(docs.max()) + 1, generator=torch.Generator().manual_seed(seed + 1))[docs]
    parts = {"train": place < 84, "val": (place >= 84) & (place < 100), "test": place >= 100}
    return {k: TensorDataset(ids[i], ids[i] != PAD, tags[i]) for k, i in parts.items()}


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[2].flatten(), ignore_index=IGNORE)


def train(model, splits, steps=150, batch_size=32, lr=1e-2):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    decay = torch.optim.lr_scheduler.LinearLR(opt, start_factor=1.0, end_factor=0.1, total_iters=steps)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    it, history = iter(loader), []
    model.train()
    for _ in range(steps):
        try:
            batch = next(it)
        except StopIteration:
            it = iter(loader)
            batch = next(it)
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        opt.step()
        decay.step()
        history.append(loss.item())
    return history


def spans(tags):
    """Entities of one sentence as (type, start, end); a stray I- is not an entity."""
    found, start, kind = set(), None, None
    for i, tag in enumerate([LABELS[t] for t in tags] + ["O"]):
        if start is not None and tag != f"I-{kind}":
            found.add((kind, start, i))
            start = None
        if tag.startswith("B-"):
            start, kind = i, tag[2:]
    return found


@torch.no_grad()
def evaluate(model, dataset, batch_size=40):
    """Micro F1 of exactly matching spans."""
    model.eval()
    hit = guessed = true = 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        predicted = model(*model_inputs(batch)).argmax(dim=-1)
        for row, gold, mask in zip(predicted, batch[2], batch[1]):
            a, b = spans(row[mask].tolist()), spans(gold[mask].tolist())
            hit, guessed, true = hit + len(a & b), guessed + len(a), true + len(b)
    return 2 * hit / max(1, guessed + true)


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "span F1", result["test"])
