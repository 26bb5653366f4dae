"""Conformalised quantile regression (Romano et al. 2019): 80 % prediction intervals of delivery times in minutes.

The network predicts the 10 %, 50 % and 90 % quantiles of the log of the delivery time, which never cross. The
validation split, unseen in training, calibrates the width of the interval; the test split measures its coverage.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

NUMBERS, CITIES = 5, 6
LEVELS = torch.tensor([0.1, 0.5, 0.9])
META = {
    "name": "quantile", "task": "regression",
    "inputs": [
        {"name": "numbers", "shape": ["B", NUMBERS], "dtype": "float32"},
        {"name": "missing", "shape": ["B", NUMBERS], "dtype": "float32", "low": 0, "high": 1},
        {"name": "city", "shape": ["B"], "dtype": "int64", "low": 0, "high": CITIES},
    ],
    "target": {"name": "log_minutes", "shape": ["B"], "dtype": "float32"},
    "output_shape": ["B", 3], "oracle": None, "causal": False, "claims": {},
}


class QuantileNet(nn.Module):
    def __init__(self, hidden=64, dropout=0.1):
        super().__init__()
        self.city = nn.Embedding(CITIES, 4)
        self.net = nn.Sequential(
            nn.Linear(2 * NUMBERS + 4, hidden), nn.BatchNorm1d(hidden), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(hidden, hidden), nn.BatchNorm1d(hidden), nn.SiLU(), nn.Linear(hidden, 3),
        )

    def forward(self, numbers, missing, city):
        raw = self.net(torch.cat([numbers, missing, self.city(city)], dim=1))
        median = raw[:, 1]
        low = median - F.softplus(raw[:, 0])
        high = median + F.softplus(raw[:, 2])
        return torch.stack([low, median, high], dim=1)


def build_model():
    return QuantileNet()


def load_raw(seed=0):
    """Distance, load, rain, hour, courier age; a tenth of the numbers is missing (NaN)."""
    g = torch.Generator().manual_seed(seed)
    n = 3000
    numbers = torch.randn(n, NUMBERS, generator=g) * torch.tensor([3.0, 20.0, 1.0, 5.0, 9.0]) + torch.tensor(
        [8.0, 60.0, 2.0, 14.0, 31.0])
    city = torch.randint(0, CITIES, (n,), generator=g)
    z = (numbers - numbers.mean(0)) / numbers.std(0)
    pace = torch.tensor([0.0, 0.3, -0.2, 0.5, -0.4, 0.1])[city]
    location = 3.2 + 0.35 * z[:, 0] + 0.15 * z[:, 1] * (z[:, 3] > 0) + pace
    spread = 0.12 + 0.15 * torch.sigmoid(2 * z[:, 2])
    minutes = (location + spread * torch.randn(n, generator=g)).exp()
    numbers = numbers.masked_fill(torch.rand(n, NUMBERS, generator=g) < 0.1, float("nan"))
    return numbers, city, minutes


def make_splits(raw=None, seed=0):
    numbers, city, minutes = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(city), generator=torch.Generator().manual_seed(seed))
    parts = {"train": order[:1800], "val": order[1800:2400], "test": order[2400:]}
    fit = numbers[parts["train"]]
    mean = fit.nanmean(dim=0)
    std = (fit - mean).pow(2).nanmean(dim=0).sqrt()
    missing = numbers.isnan()
    numbers = ((numbers - mean) / std).masked_fill(missing, 0.0)  # the mean, with a flag
    log_minutes = minutes.log()
    return {
        name: TensorDataset(numbers[i], missing[i].float(), city[i], log_minutes[i]) for name, i in parts.items()
    }


def model_inputs(batch):
    return batch[0], batch[1], batch[2]


def compute_loss(out, batch):
    """Pinball loss: falling short of the target costs q, exceeding it costs 1 - q."""
    short = batch[3][:, None] - out
    return torch.maximum(LEVELS * short, (LEVELS - 1) * short).mean()


def train(model, splits, steps=300, batch_size=100, lr=3e-3):
    opt = torch.optim.NAdam(model.parameters(), lr=lr)
    epochs = math.ceil(steps / (len(splits["train"]) // batch_size))
    sched = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.1 ** (1 / epochs))
    history = []
    for _ in range(epochs):
        model.train()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True):
            opt.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
        sched.step()
    return history


@torch.no_grad()
def predict(model, dataset):
    model.eval()
    out = torch.cat([model(*model_inputs(batch)) for batch in DataLoader(dataset, batch_size=256)])
    return out, dataset.tensors[3]


def calibrate(model, dataset, coverage=0.8):
    """The margin by which intervals must grow, in logs, so that they cover `coverage` of points like these."""
    out, y = predict(model, dataset)
    score = torch.maximum(out[:, 0] - y, y - out[:, 2])
    rank = min(len(y), math.ceil((len(y) + 1) * coverage))
    return score.sort().values[rank - 1].item()


def evaluate(model, dataset):
    """Mean absolute error of the median in minutes."""
    out, y = predict(model, dataset)
    return (out[:, 1].exp() - y.exp()).abs().mean().item()


def coverage(model, dataset, margin):
    """Share of points inside the interval."""
    out, y = predict(model, dataset)
    return ((y >= out[:, 0] - margin) & (y <= out[:, 2] + margin)).float().mean().item()


def run(model, splits, steps=300):
    history = train(model, splits, steps=steps)
    margin = calibrate(model, splits["val"])
    test = splits["test"]
    return {"history": history, "test": evaluate(model, test), "coverage": coverage(model, test, margin)}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print(result["history"][0], result["history"][-1], result["test"], result["coverage"])
