"""Counts of visits by shop and hour: a Poisson likelihood over an embedding and numbers, raw data in arrays of numpy."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "count_regression",
    "task": "density",
    "inputs": [
        {"name": "numbers", "shape": ["B", 4], "dtype": "float32"},
        {"name": "shop", "shape": ["B"], "dtype": "int64", "high": 6},
    ],
    "batch": [
        {"name": "numbers", "shape": ["B", 4], "dtype": "float32"},
        {"name": "shop", "shape": ["B"], "dtype": "int64", "high": 6},
        {"name": "visits", "shape": ["B"], "dtype": "int64", "high": 20},
    ],
    "output_shape": ["B"],
}


class Rate(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.shop = nn.Embedding(6, 4)
        self.layers = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, numbers, shop):
        return self.layers(torch.cat([numbers, self.shop(shop)], dim=1)).squeeze(1)  # logarithm of the rate


def build_model():
    return Rate()


def load_raw(seed=0):
    rng = np.random.default_rng(seed)
    numbers = rng.normal(0, 1, (400, 4)) * np.array([1.0, 20.0, 0.1, 5.0]) + np.array([0.0, 100.0, 1.0, 0.0])
    numbers[rng.random(400) < 0.2, 1] = np.nan
    shop = rng.integers(0, 6, 400)
    rate = np.exp(0.5 * numbers[:, 0] + 0.1 * numbers[:, 3] + 0.3 * shop - 0.5)
    return numbers, shop, np.minimum(rng.poisson(rate), 60)


def make_splits(raw=None, seed=0):
    numbers, shop, visits = load_raw(seed) if raw is None else raw
    order = np.random.default_rng(seed + 1).permutation(len(shop))
    parts = {"train": order[:260], "val": order[260:320], "test": order[320:]}
    known = np.nanmedian(numbers[parts["train"]], axis=0)
    numbers = np.where(np.isnan(numbers), known, numbers)
    mean, deviation = numbers[parts["train"]].mean(0), numbers[parts["train"]].std(0)
    numbers = ((numbers - mean) / deviation).astype(np.float32)
    return {
        name: TensorDataset(*(torch.tensor(column[chosen]) for column in (numbers, shop, visits)))
        for name, chosen in parts.items()
    }


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    """Negative log-likelihood of the counts."""
    return nn.functional.poisson_nll_loss(out, batch[2].float(), log_input=True, full=True)


def train(model, splits, steps=80, batch_size=26):
    optimizer = torch.optim.RMSprop(model.parameters(), lr=5e-3)
    history = []
    while len(history) < steps:
        model.train()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Mean deviance of the counts, lower is better."""
    model.eval()
    (rows,) = DataLoader(dataset, batch_size=len(dataset))
    rate, visits = model(*model_inputs(rows)).exp(), rows[2].float()
    return 2 * (torch.special.xlogy(visits, visits / rate) - visits + rate).mean().item()


def run(model, splits, steps=80):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}
