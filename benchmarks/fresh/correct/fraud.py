"""Card fraud from a table: embeddings for categories, missing values, few positives, early stopping."""
import copy

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

NUMERIC = 5  # amount, age, hour, distance, velocity; the distance is often missing
CARDINALITIES = (30, 12, 7)  # merchant, country, device
META = {
    "name": "fraud", "task": "binary",
    "inputs": [
        {"name": "numeric", "shape": ["B", NUMERIC + 1], "dtype": "float32"},
        {"name": "categories", "shape": ["B", 3], "dtype": "int64", "low": 0, "high": 7},
    ],
    "target": {"name": "fraud", "shape": ["B"], "dtype": "int64", "low": 0, "high": 2},
    "output_shape": ["B"], "oracle": "binary_logit", "causal": False, "claims": {},
}


class TabularNet(nn.Module):
    def __init__(self, hidden=64, dropout=0.2):
        super().__init__()
        self.embeddings = nn.ModuleList([nn.Embedding(c, min(8, (c + 1) // 2)) for c in CARDINALITIES])
        width = NUMERIC + 1 + sum(e.embedding_dim for e in self.embeddings)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )

    def forward(self, numeric, categories):
        looked_up = [embed(categories[:, i]) for i, embed in enumerate(self.embeddings)]
        return self.mlp(torch.cat([numeric, *looked_up], dim=1)).squeeze(1)


def build_model():
    return TabularNet()


def load_raw(seed=0):
    rng = np.random.default_rng(seed)
    n = 4000
    amount = rng.lognormal(3.5, 1.0, n)
    age = rng.uniform(18, 80, n)
    hour = rng.integers(0, 24, n).astype(float)
    distance = rng.exponential(30.0, n)
    velocity = rng.poisson(2.0, n).astype(float)
    merchant, country, device = (rng.integers(0, c, n) for c in CARDINALITIES)
    by_merchant, by_country = rng.normal(0, 1.3, CARDINALITIES[0]), rng.normal(0, 0.9, CARDINALITIES[1])
    risk = (1.1 * (np.log(amount) - 3.5) + by_merchant[merchant] + by_country[country] + 0.02 * distance
            + 1.5 * ((hour < 5) & (device < 3)) + 0.4 * (velocity - 2))
    fraud = (rng.random(n) < 1 / (1 + np.exp(-(1.6 * risk - 5.6)))).astype(np.int64)
    distance[rng.random(n) < 0.3] = np.nan
    return np.stack([amount, age, hour, distance, velocity], 1), np.stack([merchant, country, device], 1), fraud


def make_splits(raw=None, seed=0):
    numeric, categories, fraud = load_raw(seed) if raw is None else raw
    rng = np.random.default_rng(seed + 1)
    rows = {"train": [], "val": [], "test": []}
    for label in (0, 1):  # every part gets the same share of fraud
        members = rng.permutation(np.flatnonzero(fraud == label))
        a, b = int(0.6 * len(members)), int(0.8 * len(members))
        for name, part in zip(rows, np.split(members, [a, b])):
            rows[name].append(part)
    rows = {name: np.concatenate(parts) for name, parts in rows.items()}

    missing = np.isnan(numeric[:, 3])
    numeric = numeric.copy()
    numeric[:, 0] = np.log1p(numeric[:, 0])
    numeric[missing, 3] = np.nanmedian(numeric[rows["train"], 3])
    mean, std = numeric[rows["train"]].mean(axis=0), numeric[rows["train"]].std(axis=0)
    numeric = np.concatenate([(numeric - mean) / std, missing[:, None]], axis=1).astype(np.float32)
    return {name: TensorDataset(torch.tensor(numeric[r]), torch.tensor(categories[r]), torch.tensor(fraud[r]))
            for name, r in rows.items()}


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch, pos_weight=3.0):
    return F.binary_cross_entropy_with_logits(out, batch[2].float(), pos_weight=torch.tensor(pos_weight))


def average_precision(scores, labels):
    """Area under the precision-recall curve."""
    hits = labels[scores.argsort(descending=True)].float()
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    return ((precision * hits).sum() / hits.sum()).item()


def train(model, splits, steps=400, batch_size=128, lr=4e-3, patience=6):
    """Stops when the validation metric has not improved for `patience` epochs; gives back the best epoch's weights."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.05)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    best, best_state, bad_epochs = -1.0, None, 0
    history = []
    while len(history) < steps and bad_epochs < patience:
        model.train()
        for batch in loader:
            if len(history) == steps:
                break
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                out = model(*model_inputs(batch))
            loss = compute_loss(out.float(), batch)
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        score = evaluate(model, splits["val"])
        if score > best:
            best, best_state, bad_epochs = score, copy.deepcopy(model.state_dict()), 0
        else:
            bad_epochs += 1
    if best_state is not None:
        model.load_state_dict(best_state)
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Average precision."""
    model.eval()
    scores, labels = [], []
    for batch in DataLoader(dataset, batch_size=256):
        scores.append(model(*model_inputs(batch)))
        labels.append(batch[2])
    return average_precision(torch.cat(scores), torch.cat(labels))


def run(model, splits, steps=400):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test average precision", result["test"])
