"""Two-tower retrieval with in-batch negatives (Yi et al. 2019): which item does a user take next?

The user tower reads the bag of earlier items. The other items of the batch are the negatives: their logits are corrected
by the log of their sampling probability, and copies of the positive item are not negatives. Ids start at 1; 0 is padding.
Leave-last-out: the last item of a user is the test, the one before the validation.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

USERS, ITEMS, GENRES, HISTORY, DIM = 300, 120, 8, 10, 24
META = {
    "name": "two_tower", "task": "contrastive",
    "inputs": [
        {"name": "history", "shape": ["B", HISTORY], "dtype": "int64", "low": 0, "high": ITEMS + 1},
        {"name": "item", "shape": ["B"], "dtype": "int64", "low": 1, "high": ITEMS + 1},
        {"name": "genre", "shape": ["B"], "dtype": "int64", "low": 0, "high": GENRES},
    ],
    "batch": [
        {"name": "history", "shape": ["B", HISTORY], "dtype": "int64", "low": 0, "high": ITEMS + 1},
        {"name": "item", "shape": ["B"], "dtype": "int64", "low": 1, "high": ITEMS + 1},
        {"name": "genre", "shape": ["B"], "dtype": "int64", "low": 0, "high": GENRES},
        {"name": "probability", "shape": ["B"], "dtype": "float32", "low": 0.001, "high": 0.1},
    ],
    "output_shape": [["B", DIM], ["B", DIM]], "oracle": None, "causal": False, "pad_id": 0,
    "claims": {"unit_norm": True},
}
TEMPERATURE = 0.1


class TwoTower(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.item = nn.Embedding(ITEMS + 1, width, padding_idx=0)
        self.genre = nn.Embedding(GENRES, 8)
        self.user_mlp = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, DIM))
        self.item_mlp = nn.Sequential(nn.Linear(width + 8, 64), nn.ReLU(), nn.Linear(64, DIM))

    def encode_user(self, history):
        seen = (history != 0).unsqueeze(-1)
        bag = (self.item(history) * seen).sum(dim=1) / seen.sum(dim=1).clamp(min=1)
        return F.normalize(self.user_mlp(bag), dim=-1)

    def encode_item(self, item, genre):
        return F.normalize(self.item_mlp(torch.cat([self.item(item), self.genre(genre)], dim=-1)), dim=-1)

    def forward(self, history, item, genre):
        return self.encode_user(history), self.encode_item(item, genre)


def build_model():
    return TwoTower()


def load_raw(seed=0):
    """Give every user's items in the order of time, and the genre of every item (row 0 is padding)."""
    g = torch.Generator().manual_seed(seed)
    genre = torch.cat([torch.zeros(1, dtype=torch.long), torch.arange(ITEMS) % GENRES])
    fame = torch.cat([torch.zeros(1), 1 / (1 + torch.arange(ITEMS)[torch.randperm(ITEMS, generator=g)]) ** 0.7])
    sequences = []
    for _ in range(USERS):
        taste = torch.full((GENRES,), 0.05)
        taste[torch.randperm(GENRES, generator=g)[:2]] = 1.0
        size = int(torch.randint(6, 16, (1,), generator=g))
        sequences.append(torch.multinomial(fame * taste[genre], size, generator=g).tolist())  # no item twice
    return sequences, genre


def bag(items):
    items = items[-HISTORY:]
    return items + [0] * (HISTORY - len(items))


def make_splits(raw=None, seed=0):
    sequences, genre = load_raw(seed) if raw is None else raw
    rows = {"train": [], "val": [], "test": []}
    for items in sequences:
        for position in range(2, len(items)):
            split = "test" if position == len(items) - 1 else "val" if position == len(items) - 2 else "train"
            rows[split].append((bag(items[:position]), items[position]))
    positives = torch.tensor([item for _, item in rows["train"]])
    probability = (torch.bincount(positives, minlength=ITEMS + 1) + 1.0) / (len(positives) + ITEMS)
    splits = {}
    for name, pairs in rows.items():
        history, item = torch.tensor([h for h, _ in pairs]), torch.tensor([i for _, i in pairs])
        splits[name] = TensorDataset(history, item, genre[item], probability[item])
        splits[name].catalogue = (torch.arange(1, ITEMS + 1), genre[1:])
    return splits


def model_inputs(batch):
    return batch[0], batch[1], batch[2]


def compute_loss(out, batch):
    user, item = out
    ids, probability = batch[1], batch[3]
    logits = user @ item.T / TEMPERATURE - probability.log()
    same = ids[:, None] == ids[None, :]
    own = torch.eye(len(ids), dtype=torch.bool)
    logits = logits.masked_fill(same & ~own, float("-inf"))  # accidental hits
    return F.cross_entropy(logits, torch.arange(len(ids)))


def train(model, splits, steps=250, batch_size=128, lr=5e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    model.train()
    while len(history) < steps:
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Recall@10 in the whole catalogue without the items of the history."""
    model.eval()
    catalogue = model.encode_item(*dataset.catalogue)  # row r is item r + 1
    hits = 0
    for history, item, _, _ in DataLoader(dataset, batch_size=64):
        scores = model.encode_user(history) @ catalogue.T
        blocked = torch.zeros(len(item), ITEMS + 1, dtype=torch.bool).scatter(1, history, True)[:, 1:]
        top = scores.masked_fill(blocked, float("-inf")).topk(10, dim=1).indices + 1
        hits += (top == item[:, None]).any(dim=1).sum().item()
    return hits / len(dataset)


def run(model, splits, steps=250):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print(result["history"][0], result["history"][-1], result["test"])
