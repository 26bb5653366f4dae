"""Denoising diffusion of points in the plane (two moons): cosine schedule, noise prediction, averaged weights."""
import copy
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

T = 60
META = {
    "name": "ddpm", "task": "denoising",
    "inputs": [
        {"name": "x_t", "shape": ["B", 2], "dtype": "float32"},
        {"name": "t", "shape": ["B"], "dtype": "int64", "low": 0, "high": T},
    ],
    "batch": [
        {"name": "x_t", "shape": ["B", 2], "dtype": "float32"},
        {"name": "t", "shape": ["B"], "dtype": "int64", "low": 0, "high": T},
        {"name": "noise", "shape": ["B", 2], "dtype": "float32"},
    ],
    "output_shape": ["B", 2], "oracle": None, "causal": False, "claims": {},
}


def cosine_schedule(steps, s=0.008):
    """Betas of Nichol and Dhariwal, arXiv 2102.09672 eq. 17."""
    grid = torch.arange(steps + 1, dtype=torch.float64) / steps
    f = torch.cos((grid + s) / (1 + s) * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=0.999).float()


BETAS = cosine_schedule(T)
ALPHAS = 1 - BETAS
ALPHA_BARS = torch.cumprod(ALPHAS, dim=0)


def q_sample(x0, t, noise):
    """x_t given x_0: sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise."""
    a = ALPHA_BARS[t].unsqueeze(-1)
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


class TimeEmbedding(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.register_buffer("freqs", torch.exp(-math.log(1000.0) * torch.arange(dim // 2) / (dim // 2)))
        self.mlp = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, t):
        angles = t.float()[:, None] * self.freqs[None, :]
        return self.mlp(torch.cat([angles.sin(), angles.cos()], dim=-1))


class Denoiser(nn.Module):
    def __init__(self, dim=64, blocks=3):
        super().__init__()
        self.time = TimeEmbedding(dim)
        self.inp = nn.Linear(2, dim)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim)) for _ in range(blocks)
        )
        self.out = nn.Linear(dim, 2)

    def forward(self, x, t):
        temb = self.time(t)
        h = self.inp(x)
        for block in self.blocks:
            h = h + block(h + temb)
        return self.out(F.silu(h))


def build_model():
    return Denoiser()


class Noised(Dataset):
    """Points; an item is (x_t, t, noise). `draw` takes other times and other noise for all of them."""

    def __init__(self, points):
        self.points = points
        self.draw()

    def draw(self):
        self.t = torch.randint(0, T, (len(self.points),))
        self.noise = torch.randn_like(self.points)
        self.x_t = q_sample(self.points, self.t, self.noise)

    def __len__(self):
        return len(self.points)

    def __getitem__(self, i):
        return self.x_t[i], self.t[i], self.noise[i]


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 1500
    angle = math.pi * torch.rand(n, generator=g)
    moon = torch.rand(n, generator=g) < 0.5
    x = torch.where(moon, angle.cos(), 1 - angle.cos())
    y = torch.where(moon, angle.sin(), 0.5 - angle.sin())
    return 20 + 10 * (torch.stack([x, y], dim=1) + 0.05 * torch.randn(n, 2, generator=g))  # millimetres


def make_splits(raw=None, seed=0):
    points = load_raw(seed) if raw is None else raw
    train_part = points[:1000]
    points = (points - train_part.mean(0)) / train_part.std(0)
    return {"train": Noised(points[:1000]), "val": Noised(points[1000:1100]), "test": Noised(points[1100:])}


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.mse_loss(out, batch[2])


@torch.no_grad()
def update_ema(ema, model, decay):
    for slow, fast in zip(ema.parameters(), model.parameters()):
        slow.mul_(decay).add_(fast, alpha=1 - decay)


def train(model, splits, steps=400, batch_size=125, lr=4e-3, decay=0.98):
    """The averaged weights are what the model holds at the end."""
    ema = copy.deepcopy(model).requires_grad_(False)
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=steps, eta_min=lr / 20)
    losses = []
    model.train()
    while len(losses) < steps:
        splits["train"].draw()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            update_ema(ema, model, decay)
            losses.append(loss.item())
            if len(losses) >= steps:
                break
    model.load_state_dict(ema.state_dict())
    return losses


@torch.no_grad()
def p_sample_loop(model, n):
    """Ancestral sampling, arXiv 2006.11239 algorithm 2."""
    x = torch.randn(n, 2)
    for step in reversed(range(T)):
        t = torch.full((n,), step)
        eps = model(x, t)
        mean = (x - BETAS[step] / (1 - ALPHA_BARS[step]).sqrt() * eps) / ALPHAS[step].sqrt()
        x = mean + BETAS[step].sqrt() * torch.randn_like(x) if step > 0 else mean
    return x


@torch.no_grad()
def evaluate(model, dataset, n=600):
    """Energy distance between samples and the data, lower is better."""
    model.eval()
    fake, real = p_sample_loop(model, n), dataset.points
    between = torch.cdist(fake, real).mean()
    within = torch.cdist(fake, fake).mean() + torch.cdist(real, real).mean()
    return (2 * between - within).item()


def run(model, splits, steps=400):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test energy distance", result["test"])
