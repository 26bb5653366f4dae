"""Hourly load forecasting: GRU over 36 hours, six hours ahead at once, splits cut by time without shared windows."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

PAST, AHEAD = 36, 6

META = {
    "name": "forecaster", "task": "regression",
    "inputs": [{"name": "past", "shape": ["B", PAST, 3], "dtype": "float32"}],
    "target": {"shape": ["B", AHEAD], "dtype": "float32"},
    "output_shape": ["B", AHEAD], "oracle": "regression", "causal": False,
    "claims": {"params": 5646, "mflops": 0.372, "readout": -1},
}


class Forecaster(nn.Module):
    """The head adds a correction to the last observed value."""

    def __init__(self, hidden=40):
        super().__init__()
        self.gru = nn.GRU(3, hidden, batch_first=True)
        self.head = nn.Linear(hidden, AHEAD)

    def forward(self, past):
        states, _ = self.gru(past)
        return past[:, -1, :1] + self.head(states[:, -1])


def build_model():
    return Forecaster()


def load_raw(seed=0, hours=24 * 90):
    rng = np.random.default_rng(seed)
    t = np.arange(hours)
    day = np.sin(2 * np.pi * t / 24) + 0.5 * np.sin(4 * np.pi * t / 24 + 1.0)
    week = 1 + 0.3 * np.sin(2 * np.pi * t / 168)
    ar = np.zeros(hours)
    for i in range(1, hours):
        ar[i] = 0.9 * ar[i - 1] + rng.normal(scale=0.15)
    load = 50 + 10 * (day * week + ar) + rng.normal(scale=0.5, size=hours)
    return (torch.from_numpy(load).float(),)


def windows(load, hour):
    """load and calendar features of one stretch of time -> all windows that lie wholly inside it."""
    clock = 2 * torch.pi * hour / 24
    table = torch.stack([load, clock.sin(), clock.cos()], dim=1)
    past = table.unfold(0, PAST, 1)[: len(load) - PAST - AHEAD + 1].transpose(1, 2)
    future = load.unfold(0, AHEAD, 1)[PAST:]
    return TensorDataset(past.contiguous(), future.contiguous())


def make_splits(raw=None, seed=0):
    (load,) = load_raw(seed) if raw is None else raw
    hour = torch.arange(len(load), dtype=torch.float32) % 24
    a, b = int(0.7 * len(load)), int(0.85 * len(load))
    load = (load - load[:a].mean()) / load[:a].std()
    return {name: windows(load[s], hour[s])
            for name, s in (("train", slice(0, a)), ("val", slice(a, b)), ("test", slice(b, None)))}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return nn.functional.smooth_l1_loss(out, batch[1], beta=0.5)


def train(model, splits, steps=200, batch_size=64, lr=5e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.3, patience=1)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    history = []
    while len(history) < steps:
        model.train()
        for batch in loader:
            opt.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
        plateau.step(evaluate(model, splits["val"]))
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Root mean squared error over all horizons, in standard deviations of the train load."""
    model.eval()
    squares = count = 0
    for batch in DataLoader(dataset, batch_size=128):
        error = model(*model_inputs(batch)) - batch[1]
        squares += error.square().sum().item()
        count += error.numel()
    return (squares / count) ** 0.5


def run(model, splits, steps=200):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    data = make_splits()
    past, future = data["test"].tensors
    persistence = (past[:, -1, :1] - future).square().mean().sqrt().item()
    yesterday = (past[:, -24: PAST - 24 + AHEAD, 0] - future).square().mean().sqrt().item()
    print("RMSE", run(build_model(), data)["test"], "last value", persistence, "same hour yesterday", yesterday)
