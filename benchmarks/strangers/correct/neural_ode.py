"""Neural ODE: learn the vector field of a driven, damped pendulum and integrate it with the classical RK4 method.

Given the state at time t0, predict the next HORIZON states, one every DT seconds: the first prediction is the state at
t0 + DT. Windows are cut from long trajectories; whole trajectories go to train, validation or test.
"""
import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

HORIZON, DT, SUBSTEPS, DRIVE = 12, 0.15, 2, 1.3
META = {
    "name": "neural_ode", "task": "regression",
    "inputs": [
        {"name": "state", "shape": ["B", 2], "dtype": "float32"},
        {"name": "t0", "shape": ["B"], "dtype": "float32", "low": 0, "high": 10},
    ],
    "target": {"name": "future", "shape": ["B", HORIZON, 2], "dtype": "float32"},
    "output_shape": ["B", HORIZON, 2], "oracle": "regression", "causal": False, "zero_init": True, "claims": {},
}


class Field(nn.Module):
    """dx/dt as a function of time and state; the drive is periodic, so time enters as a phase."""

    def __init__(self, hidden=48):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2)
        )
        nn.init.zeros_(self.net[-1].weight)  # starts as the identity flow
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, t, x):
        phase = torch.stack([torch.sin(DRIVE * t), torch.cos(DRIVE * t)], dim=1)
        return self.net(torch.cat([x, phase], dim=1))


def rk4_step(field, t, x, h):
    k1 = field(t, x)
    k2 = field(t + h / 2, x + h / 2 * k1)
    k3 = field(t + h / 2, x + h / 2 * k2)
    k4 = field(t + h, x + h * k3)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


class NeuralODE(nn.Module):
    def __init__(self):
        super().__init__()
        self.field = Field()

    def forward(self, state, t0):
        x, t, h, path = state, t0, DT / SUBSTEPS, []
        for _ in range(HORIZON):
            for _ in range(SUBSTEPS):
                x = rk4_step(self.field, t, x, h)
                t = t + h
            path.append(x)
        return torch.stack(path, dim=1)


def build_model():
    return NeuralODE()


def pendulum(t, x):
    angle, speed = x.unbind(1)
    return torch.stack([speed, -1.5 * torch.sin(angle) - 0.3 * speed + 0.7 * torch.sin(DRIVE * t)], dim=1)


def load_raw(seed=0):
    """Give 80 trajectories of 61 noisy states each (angle in rad, speed in rad/s) and their times."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(80, 2, generator=g, dtype=torch.float64)
    t = torch.zeros(80, dtype=torch.float64)
    states, fine = [x], 10
    for _ in range(60):
        for _ in range(fine):
            x = rk4_step(pendulum, t, x, DT / fine)
            t = t + DT / fine
        states.append(x)
    path = torch.stack(states, dim=1).float()
    return path + 0.01 * torch.randn(path.shape, generator=g), torch.arange(61) * DT


def windows(path, times):
    """Every state that has HORIZON successors, with its time and these successors."""
    starts = range(0, path.shape[1] - HORIZON, 4)
    state = torch.cat([path[:, s] for s in starts])
    t0 = torch.cat([times[s].expand(len(path)) for s in starts])
    future = torch.cat([path[:, s + 1:s + 1 + HORIZON] for s in starts])
    return state, t0, future


def make_splits(raw=None, seed=0):
    path, times = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(path), generator=torch.Generator().manual_seed(seed))
    groups = {"train": order[:50], "val": order[50:60], "test": order[60:]}
    scale = path[groups["train"]].std(dim=(0, 1))
    splits = {}
    for name, rows in groups.items():
        state, t0, future = windows(path[rows], times)
        splits[name] = TensorDataset(state / scale, t0, future / scale)
        splits[name].scale = scale
    return splits


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return (out - batch[2]).square().mean()


def train(model, splits, steps=150, batch_size=64, lr=1e-2):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=lr, total_steps=steps)
    losses = []
    model.train()
    while len(losses) < steps:
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            opt.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            sched.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
    return losses


@torch.no_grad()
def evaluate(model, dataset):
    """Root mean squared error of the angle (radians) at the end of the horizon, over the whole split."""
    model.eval()
    squared, count = 0.0, 0
    for batch in DataLoader(dataset, batch_size=64):
        error = (model(*model_inputs(batch)) - batch[2]) * dataset.scale
        squared += error[:, -1, 0].square().sum().item()
        count += len(error)
    return math.sqrt(squared / count)


def run(model, splits, steps=150):
    losses = train(model, splits, steps=steps)
    return {"history": losses, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print(result["history"][0], result["history"][-1], result["test"])
