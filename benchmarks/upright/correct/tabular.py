"""Tabular regression (Friedman #1 with nuisance columns on odd scales): pre-norm residual MLP, early stopping on val."""
import copy

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "tabular", "task": "regression",
    "inputs": [{"name": "features", "shape": ["B", 10], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "float32"},
    "output_shape": ["B"], "oracle": "regression", "causal": False,
    "claims": {"params": 19585, "mflops": 0.0379, "norm": "pre", "residual_adds": 2},
}


class ResidualBlock(nn.Module):
    def __init__(self, dim, hidden, dropout):
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, dim))

    def forward(self, x):
        return x + self.net(x)


class TabularResNet(nn.Module):
    def __init__(self, features=10, dim=48, hidden=96, depth=2, dropout=0.05):
        super().__init__()
        self.stem = nn.Linear(features, dim)
        self.blocks = nn.Sequential(*[ResidualBlock(dim, hidden, dropout) for _ in range(depth)])
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.ReLU(), nn.Linear(dim, 1))

    def forward(self, features):
        return self.head(self.blocks(self.stem(features))).squeeze(-1)


def build_model():
    return TabularResNet()


def load_raw(seed=0):
    rng = np.random.default_rng(seed)
    u = rng.random((1200, 10))
    y = 10 * np.sin(np.pi * u[:, 0] * u[:, 1]) + 20 * (u[:, 2] - 0.5) ** 2 + 10 * u[:, 3] + 5 * u[:, 4]
    y = y + rng.normal(size=len(y))
    scale, shift = 10.0 ** rng.integers(-2, 3, size=10), rng.normal(size=10)
    x = (u + shift) * scale
    return torch.from_numpy(x).float(), torch.from_numpy(y).float()


class Standardizer:
    def fit(self, t):
        self.mean, self.std = t.mean(0), t.std(0).clamp_min(1e-8)
        return self

    def __call__(self, t):
        return (t - self.mean) / self.std


def make_splits(raw=None, seed=0):
    x, y = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    n_train, n_val = int(0.7 * len(x)), int(0.15 * len(x))
    parts = dict(zip(("train", "val", "test"), perm.split([n_train, n_val, len(x) - n_train - n_val])))
    fx, fy = Standardizer().fit(x[parts["train"]]), Standardizer().fit(y[parts["train"]])
    return {k: TensorDataset(fx(x[i]), fy(y[i])) for k, i in parts.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return nn.functional.mse_loss(out, batch[1])


def train(model, splits, steps=400, batch_size=64, lr=3e-3, check_every=25, patience=6):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-3)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=len(splits["train"]) > batch_size)
    history, best, best_weights, stale = [], -float("inf"), copy.deepcopy(model.state_dict()), 0
    while len(history) < steps and stale < patience:
        for batch in loader:
            model.train()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) % check_every == 0 or len(history) == steps:
                score = evaluate(model, splits["val"])
                if score > best:
                    best, best_weights, stale = score, copy.deepcopy(model.state_dict()), 0
                else:
                    stale += 1
                if stale >= patience or len(history) == steps:
                    break
    model.load_state_dict(best_weights)
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """R squared (scale free, so standardised targets give the same number as raw ones)."""
    model.eval()
    pairs = [(model(*model_inputs(b)), b[1]) for b in DataLoader(dataset, batch_size=256)]
    pred, true = (torch.cat(t) for t in zip(*pairs))
    return (1 - (true - pred).square().sum() / (true - true.mean()).square().sum()).item()


def run(model, splits, steps=400):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("test R2: %.3f" % run(build_model(), make_splits())["test"])
