"""Implicit-feedback recommender: matrix factorisation trained with BPR and sampled negatives.

Leave-one-out protocol: each user's last item is the test item, the last but one
validates, the rest trains. Metric: hit rate among the ten best unseen items.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

USERS, ITEMS, NEGATIVES, TOP = 150, 120, 4, 10

META = {
    "name": "recsys", "task": "contrastive",
    "inputs": [
        {"name": "user", "shape": ["B"], "dtype": "int64", "high": USERS},
        {"name": "items", "shape": ["B", 1 + NEGATIVES], "dtype": "int64", "high": ITEMS},
    ],
    "output_shape": ["B", 1 + NEGATIVES], "oracle": None, "causal": False, "claims": {},
}


class Factorisation(nn.Module):
    def __init__(self, dim=16):
        super().__init__()
        self.user, self.item = nn.Embedding(USERS, dim), nn.Embedding(ITEMS, dim)
        self.user_bias, self.item_bias = nn.Embedding(USERS, 1), nn.Embedding(ITEMS, 1)
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.1)
        nn.init.zeros_(self.user_bias.weight)
        nn.init.zeros_(self.item_bias.weight)

    def forward(self, user, items):
        """Scores (B, K) of K candidate items for each user."""
        match = (self.user(user)[:, None] * self.item(items)).sum(dim=-1)
        return match + self.item_bias(items).squeeze(-1)


def build_model():
    return Factorisation()


class Interactions(Dataset):
    """One row for each (user, item) that happened; fresh negatives are drawn every time it is read."""

    def __init__(self, pairs, seen):
        self.pairs, self.seen = pairs, seen

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        user, item = self.pairs[index]
        negatives = []
        while len(negatives) < NEGATIVES:
            candidate = int(torch.randint(ITEMS, (1,)))
            if candidate not in self.seen[user]:
                negatives.append(candidate)
        return torch.tensor(user), torch.tensor([item] + negatives)


def load_raw(seed=0):
    """Sixteen items for each user, from latent tastes and a popularity that differs by item."""
    g = torch.Generator().manual_seed(seed)
    taste, kind = torch.randn(USERS, 4, generator=g), torch.randn(ITEMS, 4, generator=g)
    popularity = torch.randn(ITEMS, generator=g)
    logits = 1.5 * taste @ kind.T + popularity
    return (torch.multinomial(logits.softmax(dim=1), 16, replacement=False, generator=g),)


def make_splits(raw=None, seed=0):
    (drawn,) = load_raw(seed) if raw is None else raw
    # The draw puts a user's favourites first; shuffle so that the held-out item is typical.
    g = torch.Generator().manual_seed(seed + 1)
    histories = [[h[i] for i in torch.randperm(len(h), generator=g)] for h in drawn.tolist()]
    train = [(u, i) for u, h in enumerate(histories) for i in h[:-2]]
    val = [(u, h[-2]) for u, h in enumerate(histories)]
    test = [(u, h[-1]) for u, h in enumerate(histories)]
    known = [set(h[:-2]) for h in histories]
    known_at_test = [set(h[:-1]) for h in histories]
    return {"train": Interactions(train, known), "val": Interactions(val, known), "test": Interactions(test, known_at_test)}


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    """Bayesian personalised ranking: the item that happened must score above each negative."""
    return -F.logsigmoid(out[:, :1] - out[:, 1:]).mean()


def train(model, splits, steps=300, batch_size=128, lr=1e-2):
    # Lazy weight decay through the optimiser would touch rows without a gradient; decay the batch's rows.
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history = []
    model.train()
    while len(history) < steps:
        for user, items in loader:
            ranking = compute_loss(model(user, items), (user, items))
            penalty = model.user(user).pow(2).sum(-1).mean() + model.item(items).pow(2).sum(-1).mean()
            loss = ranking + 5e-3 * penalty
            opt.zero_grad()
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                return history
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Share of users whose held-out item is among the TOP items that they have not seen."""
    model.eval()
    hits = 0
    for user, item in dataset.pairs:
        scores = model(torch.tensor([user]), torch.arange(ITEMS)[None])[0]
        scores[list(dataset.seen[user])] = -float("inf")
        hits += int(item in scores.topk(TOP).indices.tolist())
    return hits / len(dataset.pairs)


def run(model, splits, steps=300):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "hit rate", result["test"])
