"""Flow matching (rectified flow) of small pictures with classifier-free guidance."""
import math

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

CLASSES, SIDE = 3, 8
NULL = CLASSES  # the label that stands for "no label"
META = {
    "name": "flow", "task": "denoising",
    "inputs": [
        {"name": "xt", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"},
        {"name": "t", "shape": ["B"], "dtype": "float32", "low": 0.0, "high": 1.0},
        {"name": "label", "shape": ["B"], "dtype": "int64", "high": CLASSES},
    ],
    "batch": [
        {"name": "x", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"},
        {"name": "noise", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"},
        {"name": "t", "shape": ["B"], "dtype": "float32", "low": 0.0, "high": 1.0},
        {"name": "label", "shape": ["B"], "dtype": "int64", "high": CLASSES},
    ],
    "output_shape": ["B", 1, SIDE, SIDE], "oracle": None, "causal": False, "claims": {},
}


def time_embedding(t, dim=32):
    freqs = torch.exp(-math.log(1000) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    angles = 1000 * t.unsqueeze(1) * freqs
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class VelocityNet(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.conv_in = nn.Conv2d(1, width, 3, padding=1)
        self.label = nn.Embedding(CLASSES + 1, 32)
        self.cond = nn.Sequential(nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 2 * 3 * width))
        self.convs = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1) for _ in range(3)])
        self.norms = nn.ModuleList([nn.GroupNorm(4, width) for _ in range(3)])
        self.mix = nn.Linear(SIDE * SIDE, SIDE * SIDE)
        self.conv_out = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, xt, t, label):
        c = self.cond(time_embedding(t) + self.label(label))
        h = self.conv_in(xt)
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            shift, scale = c.chunk(6, dim=1)[2 * i:2 * i + 2]
            u = norm(h) * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
            h = h + conv(nn.functional.silu(u))
            if i == 1:
                h = h + self.mix(h.flatten(2)).view_as(h)
        return self.conv_out(h)


def build_model():
    return VelocityNet()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 210
    y = torch.randint(CLASSES, (n,), generator=g)
    x = -torch.ones(n, 1, SIDE, SIDE)
    for i in range(n):
        r, c = torch.randint(1, 4, (2,), generator=g).tolist()
        if y[i] == 0:
            x[i, 0, r:r + 4, c] = 1
        elif y[i] == 1:
            x[i, 0, r, c:c + 4] = 1
        else:
            x[i, 0, r:r + 4, c:c + 4] = 1
    return x + 0.05 * torch.randn(x.shape, generator=g), y


def make_splits(raw=None, seed=0):
    x, y = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": order[:140], "val": order[140:175], "test": order[175:]}
    return {k: TensorDataset(x[i], y[i]) for k, i in parts.items()}


def with_noise(x, label, generator=None):
    """A batch: picture, noise, time in [0, 1), label."""
    noise = torch.randn(x.shape, generator=generator)
    t = torch.rand(len(x), generator=generator)
    return x, noise, t, label


def model_inputs(batch):
    x, noise, t, label = batch
    w = t.view(-1, 1, 1, 1)
    return (1 - w) * noise + w * x, t, label


def compute_loss(out, batch):
    x, noise, _, _ = batch
    return nn.functional.mse_loss(out, x - noise)


def drop_labels(label, p=0.1):
    dropped = torch.rand(len(label)) < p
    return torch.where(dropped, torch.full_like(label, NULL), label)


def train(model, splits, steps=150, batch_size=35, lr=3e-3, decay=0.95):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    history = []
    while len(history) < steps:
        model.train()
        for x, label in loader:
            batch = with_noise(x, drop_labels(label))
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            with torch.no_grad():
                for k, v in model.state_dict().items():
                    average[k].lerp_(v, 1 - decay)
            history.append(loss.item())
            if len(history) == steps:
                break
    model.load_state_dict(average)
    return history


@torch.no_grad()
def sample(model, label, guidance=1.5, steps=20, generator=None):
    """Integrate from noise at t=0 to a picture at t=1 by Euler steps."""
    model.eval()
    x = torch.randn(len(label), 1, SIDE, SIDE, generator=generator)
    for i in range(steps):
        t = torch.full((len(label),), i / steps)
        with_label = model(x, t, label)
        without = model(x, t, torch.full_like(label, NULL))
        x = x + (without + guidance * (with_label - without)) / steps
    return x


@torch.no_grad()
def evaluate(model, dataset, batch_size=20):
    """Flow matching loss with fixed noise; see sample_error for what the samples are worth."""
    model.eval()
    g = torch.Generator().manual_seed(123)
    total, count = 0.0, 0
    for x, label in DataLoader(dataset, batch_size=batch_size):
        batch = with_noise(x, label, g)
        total += compute_loss(model(*model_inputs(batch)), batch).item() * len(x)
        count += len(x)
    return total / count


def sample_error(model, dataset):
    """Mean squared difference between the mean picture of each class, drawn and real."""
    x, label = dataset.tensors
    drawn = sample(model, label, generator=torch.Generator().manual_seed(7))
    kinds = torch.unique(label)
    return torch.stack([(drawn[label == k].mean(0) - x[label == k].mean(0)).square().mean() for k in kinds]).mean().item()


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"]), "samples": sample_error(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"], "samples", result["samples"])
