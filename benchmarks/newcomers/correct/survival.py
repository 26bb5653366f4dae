"""Discrete-time survival analysis with right censoring (Nnet-survival style).

The follow-up is cut into twelve intervals; the network predicts the conditional
probability (hazard) of the event in each interval, given survival so far.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

BINS, FEATURES, HORIZON = 12, 8, 6.0

META = {
    "name": "survival", "task": "regression",
    "inputs": [{"name": "x", "shape": ["B", FEATURES], "dtype": "float32"}],
    "batch": [
        {"name": "x", "shape": ["B", FEATURES], "dtype": "float32"},
        {"name": "interval", "shape": ["B"], "dtype": "int64", "high": BINS},
        {"name": "event", "shape": ["B"], "dtype": "bool"},
    ],
    "output_shape": ["B", BINS], "oracle": None, "causal": False, "claims": {},
}


class HazardNet(nn.Module):
    """MLP that maps covariates to one hazard logit per interval."""

    def __init__(self, features=FEATURES, hidden=32, bins=BINS):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(hidden, hidden), nn.ReLU(),
        )
        self.head = nn.Linear(hidden, bins)

    def forward(self, x):
        return self.head(self.body(x))


def build_model():
    return HazardNet()


def load_raw(seed=0):
    """Exponential event times whose rate depends on the covariates, and independent censoring."""
    g = torch.Generator().manual_seed(seed)
    n = 900
    x = torch.randn(n, FEATURES, generator=g) * torch.linspace(0.5, 3.0, FEATURES) + 2.0
    z = (x - 2.0) / torch.linspace(0.5, 3.0, FEATURES)
    log_rate = 0.8 * z[:, 0] - 0.7 * z[:, 3] + 0.6 * z[:, 5] * z[:, 6] - 1.0
    died = -torch.rand(n, generator=g).clamp_min(1e-6).log() / log_rate.exp()
    left = -torch.rand(n, generator=g).clamp_min(1e-6).log() / 0.2
    left = left.clamp_max(HORIZON * 0.999)
    return x, torch.minimum(died, left), died <= left


def make_splits(raw=None, seed=0):
    x, time, event = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": order[:600], "val": order[600:700], "test": order[700:]}
    fit = x[parts["train"]]
    x = (x - fit.mean(0)) / fit.std(0)
    interval = (time / HORIZON * BINS).long().clamp_max(BINS - 1)
    return {k: TensorDataset(x[i], interval[i], event[i], time[i]) for k, i in parts.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    """Negative log likelihood; a censored subject only contributes the intervals it survived."""
    interval, event = batch[1], batch[2]
    steps = torch.arange(BINS, device=out.device)[None]
    survived = (steps < interval[:, None]).float()
    happened = F.one_hot(interval, BINS).float() * event[:, None]
    log_likelihood = happened * F.logsigmoid(out) + survived * F.logsigmoid(-out)
    return -log_likelihood.sum(dim=1).mean()


def train(model, splits, steps=200, batch_size=64, lr=3e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=1e-4)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history = []
    while len(history) < steps:
        for batch in loader:
            model.train()
            opt.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


def concordance(expected_time, time, event):
    """Harrell's C: of all pairs known to be ordered, the share that the prediction orders alike."""
    comparable = event[:, None] & (time[:, None] < time[None, :])
    diff = expected_time[None, :] - expected_time[:, None]
    agree = (diff > 0).float() + 0.5 * (diff == 0).float()
    return (agree * comparable).sum().item() / comparable.sum().item()


@torch.no_grad()
def evaluate(model, dataset, batch_size=100):
    model.eval()
    expected, times, events = [], [], []
    for batch in DataLoader(dataset, batch_size=batch_size):
        hazard = torch.sigmoid(model(*model_inputs(batch)))
        survival = torch.cumprod(1 - hazard, dim=1)
        expected.append(survival.sum(dim=1))  # restricted mean survival time, in intervals
        times.append(batch[3])
        events.append(batch[2])
    return concordance(torch.cat(expected), torch.cat(times), torch.cat(events))


def run(model, splits, steps=200):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "C-index", result["test"])
