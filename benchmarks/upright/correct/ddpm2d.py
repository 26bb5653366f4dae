"""DDPM on 2-D points (two moons): cosine schedule, noise prediction, fresh noise at every visit of a train point."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

T = 100

META = {
    "name": "ddpm2d", "task": "denoising",
    "inputs": [
        {"name": "x_t", "shape": ["B", 2], "dtype": "float32"},
        {"name": "t", "shape": ["B"], "dtype": "int64", "high": T},
    ],
    "target": {"shape": ["B", 2], "dtype": "float32"},
    "output_shape": ["B", 2], "oracle": "regression", "causal": False, "zero_init": True,
    "claims": {"params": 39010, "mflops": 0.0763, "residual_adds": 3},
}


def cosine_schedule(steps, s=0.008):
    u = torch.arange(steps + 1, dtype=torch.float64) / steps
    f = torch.cos((u + s) / (1 + s) * math.pi / 2) ** 2
    beta = (1 - f[1:] / f[:-1]).clamp(max=0.999)
    return beta.float(), torch.cumprod(1 - beta, dim=0).float()


BETA, ALPHA_BAR = cosine_schedule(T)


def diffuse(x0, t, eps):
    a = ALPHA_BAR[t].unsqueeze(-1)
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


class Layer(nn.Module):
    def __init__(self, dim, tdim):
        super().__init__()
        self.a, self.b, self.film = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(tdim, 2 * dim)

    def forward(self, h, temb):
        scale, shift = self.film(temb).chunk(2, dim=-1)
        return h + self.b(F.silu(self.a(h) * (1 + scale) + shift))


class Denoiser(nn.Module):
    def __init__(self, dim=64, tdim=32, depth=3):
        super().__init__()
        self.register_buffer("freq", torch.exp(torch.linspace(0, math.log(1000.0), tdim // 2)), persistent=False)
        self.temb = nn.Sequential(nn.Linear(tdim, tdim), nn.SiLU())
        self.inp = nn.Linear(2, dim)
        self.layers = nn.ModuleList(Layer(dim, tdim) for _ in range(depth))
        self.out = nn.Linear(dim, 2)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x_t, t):
        angle = (t.float() / T)[:, None] * self.freq
        temb = self.temb(torch.cat([angle.sin(), angle.cos()], dim=-1))
        h = self.inp(x_t)
        for layer in self.layers:
            h = layer(h, temb)
        return self.out(F.silu(h))


def build_model():
    return Denoiser()


class NoisyPoints(Dataset):
    """(x_t, t, eps). With `seed` the noise is frozen, as evaluation wants; without, each access draws anew."""

    def __init__(self, x0, seed=None, repeats=1):
        self.x0 = x0.repeat(repeats, 1)
        self.frozen = None
        if seed is not None:
            g = torch.Generator().manual_seed(seed)
            self.frozen = (torch.randint(T, (len(self.x0),), generator=g), torch.randn(self.x0.shape, generator=g))

    def __len__(self):
        return len(self.x0)

    def __getitem__(self, i):
        if self.frozen is None:
            t, eps = torch.randint(T, ()), torch.randn(2)
        else:
            t, eps = self.frozen[0][i], self.frozen[1][i]
        return diffuse(self.x0[i], t, eps), t, eps


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 1500
    moon = torch.rand(n, generator=g) < 0.5
    a = math.pi * torch.rand(n, generator=g)
    upper = torch.stack([a.cos(), a.sin()], dim=1)
    lower = torch.stack([1 - a.cos(), 0.5 - a.sin()], dim=1)
    return (torch.where(moon[:, None], upper, lower) + 0.05 * torch.randn(n, 2, generator=g),)


def make_splits(raw=None, seed=0):
    (x0,) = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(x0), generator=torch.Generator().manual_seed(seed + 1))
    tr, va, te = perm[:1000], perm[1000:1200], perm[1200:]
    x0 = (x0 - x0[tr].mean(0)) / x0[tr].std(0)
    return {"train": NoisyPoints(x0[tr]), "val": NoisyPoints(x0[va], seed + 2, 10),
            "test": NoisyPoints(x0[te], seed + 3, 10)}


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.mse_loss(out, batch[2])


def train(model, splits, steps=400, batch_size=125, lr=3e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps, eta_min=1e-4)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    history = []
    model.train()
    while True:
        for batch in loader:
            if len(history) == steps:
                return history
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            decay.step()
            history.append(loss.item())


@torch.no_grad()
def evaluate(model, dataset):
    """Mean squared error of the predicted noise; predicting zero scores 1."""
    model.eval()
    total = 0.0
    for batch in DataLoader(dataset, batch_size=500):
        total += compute_loss(model(*model_inputs(batch)), batch).item() * len(batch[0])
    return total / len(dataset)


@torch.no_grad()
def sample(model, n):
    """Ancestral sampling with the posterior variance."""
    model.eval()
    x = torch.randn(n, 2)
    for t in reversed(range(T)):
        eps = model(x, torch.full((n,), t))
        mean = (x - BETA[t] / (1 - ALPHA_BAR[t]).sqrt() * eps) / (1 - BETA[t]).sqrt()
        if t == 0:
            return mean
        var = BETA[t] * (1 - ALPHA_BAR[t - 1]) / (1 - ALPHA_BAR[t])
        x = mean + var.sqrt() * torch.randn_like(x)


def run(model, splits, steps=400):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    net, data = build_model(), make_splits()
    print("noise MSE", run(net, data)["test"])
    drawn = sample(net, 500)
    print("median distance of a sample to the data", torch.cdist(drawn, data["test"].x0).amin(1).median().item())
