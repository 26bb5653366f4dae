"""Class-conditional flow matching with classifier-free guidance, an EMA of the weights and an Euler sampler."""
import copy
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

DIM, CLASSES = 4, 3
NULL = CLASSES  # label of the unconditional model

META = {
    "name": "flowmatch", "task": "denoising",
    "inputs": [
        {"name": "x_t", "shape": ["B", DIM], "dtype": "float32"},
        {"name": "t", "shape": ["B"], "dtype": "float32", "low": 0, "high": 1},
        {"name": "label", "shape": ["B"], "dtype": "int64", "high": CLASSES + 1},
    ],
    "target": {"shape": ["B", DIM], "dtype": "float32"},
    "output_shape": ["B", DIM], "oracle": "regression", "causal": False, "claims": {},
}


def time_features(t, dim=16):
    """Sines and cosines of t in [0, 1], at frequencies from one to a hundred radians."""
    freq = torch.exp(torch.linspace(0, math.log(100.0), dim // 2, device=t.device))
    angle = t[:, None] * freq
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class FiLMBlock(nn.Module):
    """Residual MLP block whose normalised input is scaled and shifted by the condition."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.film = nn.Linear(width, 2 * width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))

    def forward(self, x, cond):
        scale, shift = self.film(F.silu(cond)).chunk(2, dim=-1)
        return x + self.mlp(self.norm(x) * (1 + scale) + shift)


class Velocity(nn.Module):
    def __init__(self, width=48, depth=3):
        super().__init__()
        self.inp, self.out = nn.Linear(DIM, width), nn.Linear(width, DIM)
        self.time = nn.Sequential(nn.Linear(16, width), nn.SiLU(), nn.Linear(width, width))
        self.label = nn.Embedding(CLASSES + 1, width)
        self.blocks = nn.ModuleList(FiLMBlock(width) for _ in range(depth))

    def forward(self, x_t, t, label):
        cond = self.time(time_features(t)) + self.label(label)
        h = self.inp(x_t)
        for block in self.blocks:
            h = block(h, cond)
        return self.out(h)


def build_model():
    return Velocity()


def load_raw(seed=0):
    """Each class: two arcs in the first plane, a class-dependent line in the second."""
    g = torch.Generator().manual_seed(seed)
    n = 1500
    label = torch.randint(CLASSES, (n,), generator=g)
    angle = 2.0 * torch.rand(n, generator=g) + 2.1 * label
    radius = torch.where(torch.rand(n, generator=g) < 0.5, 2.0, 4.0)
    u = torch.randn(n, generator=g)
    x = torch.stack([radius * angle.cos(), radius * angle.sin(), u, (label - 1.0) * u], dim=1)
    return 10 * x + torch.randn(n, DIM, generator=g) + 5, label


def make_splits(raw=None, seed=0):
    x, label = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": perm[:1000], "val": perm[1000:1200], "test": perm[1200:]}
    mean, std = x[parts["train"]].mean(0), x[parts["train"]].std(0)
    return {k: TensorDataset((x[i] - mean) / std, label[i]) for k, i in parts.items()}


def corrupt(data, label, drop=0.15):
    """A point on the straight path from noise (t=0) to data (t=1); the target is the velocity of that path."""
    noise, t = torch.randn_like(data), torch.rand(len(data))
    x_t = (1 - t)[:, None] * noise + t[:, None] * data
    label = torch.where(torch.rand(len(data)) < drop, torch.full_like(label, NULL), label)
    return x_t, t, label, data - noise


def model_inputs(batch):
    return batch[0], batch[1], batch[2]


def compute_loss(out, batch):
    return F.mse_loss(out, batch[3])


@torch.no_grad()
def update_average(average, model, decay):
    for slow, fast in zip(average.parameters(), model.parameters()):
        slow.mul_(decay).add_(fast, alpha=1 - decay)


def train(model, splits, steps=500, batch_size=128, lr=3e-3, decay=0.98):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    average = copy.deepcopy(model).requires_grad_(False)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history = []
    model.train()
    while len(history) < steps:
        for data, label in loader:
            batch = corrupt(data, label)
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            schedule.step()
            update_average(average, model, decay)
            history.append(loss.item())
            if len(history) == steps:
                break
    model.load_state_dict(average.state_dict())
    return history


@torch.no_grad()
def sample(model, label, steps=25, guidance=1.2):
    """Euler integration from noise to data with classifier-free guidance."""
    x = torch.randn(len(label), DIM, generator=torch.Generator().manual_seed(0))
    for i in range(steps):
        t = torch.full((len(x),), i / steps)
        free = model(x, t, torch.full_like(label, NULL))
        guided = free + guidance * (model(x, t, label) - free)
        x = x + guided / steps
    return x


def energy_distance(a, b):
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


@torch.no_grad()
def evaluate(model, dataset):
    """Energy distance between drawn and held-out points, averaged over the classes."""
    model.eval()
    real, label = dataset.tensors
    drawn = sample(model, label)
    return sum(energy_distance(drawn[label == c], real[label == c]) for c in range(CLASSES)) / CLASSES


def run(model, splits, steps=500):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "energy distance", result["test"])
