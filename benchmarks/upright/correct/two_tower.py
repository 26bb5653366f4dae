"""Two-tower recommender: in-batch negatives in both directions, rows of one user or one item masked, recall@10."""
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

META = {
    "name": "two_tower", "task": "contrastive",
    "inputs": [
        {"name": "user", "shape": ["B"], "dtype": "int64", "high": 150},
        {"name": "item", "shape": ["B"], "dtype": "int64", "high": 120},
    ],
    "batch": [
        {"name": "user", "shape": ["B"], "dtype": "int64", "high": 150},
        {"name": "item", "shape": ["B"], "dtype": "int64", "high": 120},
        {"name": "known", "shape": ["B", 120], "dtype": "bool"},
    ],
    "output_shape": [["B", 16], ["B", 16]], "oracle": None,
    "causal": False,
    "claims": {"unit_norm": True, "symmetric_loss": True, "params": 7280},
}
USERS, ITEMS, TEMPERATURE = 150, 120, 0.15


@dataclass
class TrainConfig:
    batch_size: int = 96
    lr: float = 1e-2
    weight_decay: float = 3e-3
    eval_every: int = 40
    patience: int = 4


class Tower(nn.Module):
    def __init__(self, count, emb=24, dim=16):
        super().__init__()
        self.emb = nn.Embedding(count, emb)
        nn.init.normal_(self.emb.weight, std=0.1)
        self.proj = nn.Linear(emb, dim)

    def forward(self, ids):
        return F.normalize(self.proj(self.emb(ids)), dim=-1)


class TwoTower(nn.Module):
    def __init__(self):
        super().__init__()
        self.user_tower, self.item_tower = Tower(USERS), Tower(ITEMS)

    def forward(self, user, item):
        return self.user_tower(user), self.item_tower(item)


def build_model():
    return TwoTower()


def load_raw(seed=0):
    """Implicit feedback in time order: 16 distinct items for each user, drawn by latent taste and popularity."""
    g = torch.Generator().manual_seed(seed)
    d, per_user = 6, 16
    taste = F.normalize(torch.randn(USERS, d, generator=g), dim=-1)
    trait = F.normalize(torch.randn(ITEMS, d, generator=g), dim=-1)
    popularity = 0.3 * torch.randn(ITEMS, generator=g)
    prob = torch.softmax(7.0 * taste @ trait.T + popularity, dim=-1)
    item = torch.multinomial(prob, per_user, replacement=False, generator=g)
    # multinomial without replacement favours likely items first; shuffle so that time carries no such trend
    item = item.gather(1, torch.rand(USERS, per_user, generator=g).argsort(1))
    user = torch.arange(USERS).repeat_interleave(per_user)
    time = torch.arange(per_user).repeat(USERS)
    return user, item.flatten(), time


class Interactions(Dataset):
    """Rows (user, item, known): `known` marks the user's items seen so far, to be left out of the ranking."""

    def __init__(self, user, item, known):
        self.user, self.item, self.known = user, item, known

    def __len__(self):
        return len(self.user)

    def __getitem__(self, i):
        return self.user[i], self.item[i], self.known[self.user[i]]


def make_splits(raw=None, seed=0):
    """For each user the last two interactions are the test, the two before the validation, the rest training."""
    user, item, time = load_raw(seed) if raw is None else raw
    rank = torch.zeros_like(time)
    for u in user.unique():
        rows = (user == u).nonzero().squeeze(1)
        rank[rows[time[rows].argsort(descending=True)]] = torch.arange(len(rows))
    pick = {"train": rank >= 4, "val": (rank == 2) | (rank == 3), "test": rank < 2}
    known = torch.zeros(USERS, ITEMS, dtype=torch.bool)
    splits = {}
    for name in ("train", "val", "test"):
        u, i = user[pick[name]], item[pick[name]]
        if name == "train":
            known[u, i] = True
            splits[name] = Interactions(u, i, known.clone())
        else:
            splits[name] = Interactions(u, i, known.clone())  # what came before this split
            known[u, i] = True
    return splits


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    zu, zi = out
    user, item = batch[0], batch[1]
    logits = zu @ zi.T / TEMPERATURE
    target = torch.arange(len(item), device=item.device)
    # another row with the same user or the same item holds a positive pair, not a negative
    clash = (user[:, None] == user[None, :]) | (item[:, None] == item[None, :])
    clash.fill_diagonal_(False)
    logits = logits.masked_fill(clash, float("-inf"))
    return 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))


def train(model, splits, steps=320, cfg=TrainConfig()):
    opt = torch.optim.AdamW(model.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
    loader = DataLoader(splits["train"], batch_size=cfg.batch_size, shuffle=True, drop_last=True)
    history, best, kept, bad = [], -1.0, None, 0
    while len(history) < steps and bad < cfg.patience:
        for batch in loader:
            model.train()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) % cfg.eval_every == 0:
                score = evaluate(model, splits["val"])
                if score > best:
                    best, bad = score, 0
                    kept = {k: v.clone() for k, v in model.state_dict().items()}
                else:
                    bad += 1
            if len(history) >= steps or bad >= cfg.patience:
                break
    if kept is not None:
        model.load_state_dict(kept)
    return history


@torch.no_grad()
def evaluate(model, dataset, k=10):
    """recall@k against the whole catalogue without the user's earlier items, averaged over users"""
    model.eval()
    catalogue = model.item_tower(torch.arange(ITEMS))
    users, hits = [], []
    for user, item, known in DataLoader(dataset, batch_size=128):
        scores = model.user_tower(user) @ catalogue.T
        known = known.clone()
        known[torch.arange(len(item)), item] = False  # the held-out item itself always competes
        top = scores.masked_fill(known, float("-inf")).topk(k, dim=1).indices
        users.append(user)
        hits.append((top == item[:, None]).any(dim=1).float())
    users, hits = torch.cat(users), torch.cat(hits)
    found = torch.zeros(USERS).index_add(0, users, hits)
    wanted = torch.zeros(USERS).index_add(0, users, torch.ones_like(hits))
    present = wanted > 0
    return (found[present] / wanted[present]).mean().item()


def run(model, splits, steps=320):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("recall@10", run(build_model(), make_splits())["test"])
