"""Named entities: BiLSTM over words, BIO tags on the first piece of a word only; entity F1."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

VOCAB, LENGTH, TAGS, O, PER, PER_IN, LOC, LOC_IN, SKIP = 60, 14, 5, 0, 1, 2, 3, 4, -100
META = {
    "name": "ner", "task": "tagging", "num_classes": TAGS,
    "inputs": [
        {"name": "ids", "shape": ["B", LENGTH], "dtype": "int64", "low": 1, "high": VOCAB},
        {"name": "mask", "shape": ["B", LENGTH], "dtype": "bool", "role": "padding_mask"},
    ],
    "target": {"shape": ["B", LENGTH], "dtype": "int64", "high": TAGS, "ignore": SKIP},
    "output_shape": ["B", LENGTH, TAGS], "oracle": "onehot_last", "causal": False, "pad_id": 0,
    "claims": {"params": 16805},
}


class Tagger(nn.Module):
    def __init__(self, dim=32, hidden=40):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim, padding_idx=0)
        self.forth = nn.LSTM(dim, hidden // 2, batch_first=True)
        self.back = nn.LSTM(dim, hidden // 2, batch_first=True)
        self.hidden = nn.Linear(hidden + dim, 80)
        self.head = nn.Linear(80, TAGS)

    def forward(self, ids, mask):
        x = F.dropout(self.embed(ids), 0.2, training=self.training) * mask.unsqueeze(-1)
        lengths = mask.sum(1)
        # right to left: turn each sentence around within its own length, so that the padding comes last
        place = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        turned = torch.where(mask, lengths.unsqueeze(1) - 1 - place, place).unsqueeze(-1)
        forth, _ = self.forth(x)
        back, _ = self.back(x.gather(1, turned.expand_as(x)))
        back = back.gather(1, turned.expand_as(back))
        h = torch.cat([forth, back, x], dim=-1)
        return self.head(torch.tanh(self.hidden(h)))


def build_model():
    return Tagger()


def load_raw(seed=0):
    """Sentences of word pieces; titles (1-4) come before names, prepositions (5-8) before places; odd pieces continue."""
    g = torch.Generator().manual_seed(seed)
    n = 220
    ids = torch.zeros(n, LENGTH, dtype=torch.int64)
    tags = torch.full((n, LENGTH), SKIP)

    def draw(low, high):
        return int(torch.randint(low, high, (1,), generator=g))

    for i in range(n):
        words, kinds = [], []
        length = draw(8, LENGTH + 1)
        while len(words) < length:
            u = draw(0, 10)
            if u < 2:
                words += [draw(1, 5), draw(20, 40), draw(20, 40)]
                kinds += [O, PER, PER_IN]
            elif u < 4:
                words += [draw(5, 9), draw(20, 40)]
                kinds += [O, LOC]
                if draw(0, 2):
                    words.append(draw(20, 40))
                    kinds.append(LOC_IN)
            else:
                words.append(draw(9, 50))
                kinds.append(O)
            if draw(0, 4) == 0:  # a continuation piece of the word before, not tagged
                words.append(draw(50, 60))
                kinds.append(SKIP)
        ids[i, :length] = torch.tensor(words[:length])
        tags[i, :length] = torch.tensor(kinds[:length])
    return ids, ids != 0, tags


def make_splits(raw=None, seed=0):
    ids, mask, tags = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": order[:150], "val": order[150:185], "test": order[185:]}
    return {k: TensorDataset(ids[i], mask[i], tags[i]) for k, i in parts.items()}


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[2].flatten(), ignore_index=SKIP)


def train(model, splits, steps=100, batch_size=25, lr=1e-2):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    history, best, kept = [], -1.0, None
    while len(history) < steps:
        model.train()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
        score = evaluate(model, splits["val"])
        if score >= best:
            best, kept = score, {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(kept)
    return history


def entities(tags):
    """Spans (kind, first, last) of one sentence's BIO tags."""
    spans, start, kind = set(), None, None
    for i, tag in enumerate([*tags, O]):
        inside = kind is not None and tag == kind + 1
        if kind is not None and not inside:
            spans.add((kind, start, i - 1))
            kind = None
        if tag in (PER, LOC):
            start, kind = i, tag
    return spans


@torch.no_grad()
def evaluate(model, dataset, batch_size=20):
    """F1 of whole entities, counted over the split."""
    model.eval()
    found, real, both = 0, 0, 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        pred = model(*model_inputs(batch)).argmax(-1)
        for p, t in zip(pred, batch[2]):
            counted = t != SKIP
            guess, truth = entities(p[counted].tolist()), entities(t[counted].tolist())
            found += len(guess)
            real += len(truth)
            both += len(guess & truth)
    return 2 * both / max(1, found + real)


def run(model, splits, steps=100):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
