"""RealNVP density model: affine couplings with alternating halves and data-dependent ActNorm."""
import math

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

DIM = 6

META = {
    "name": "realnvp", "task": "density",
    "inputs": [{"name": "x", "shape": ["B", DIM], "dtype": "float32"}],
    "batch": [{"name": "x", "shape": ["B", DIM], "dtype": "float32"}],
    "output_shape": ["B"], "oracle": None, "causal": False, "claims": {},
}


class ActNorm(nn.Module):
    """Per-feature affine map that whitens the first training batch and is learnt from there."""

    def __init__(self, dim):
        super().__init__()
        self.shift, self.log_scale = nn.Parameter(torch.zeros(dim)), nn.Parameter(torch.zeros(dim))
        self.register_buffer("ready", torch.tensor(False))

    def forward(self, x):
        if self.training and not self.ready:
            with torch.no_grad():
                self.shift.copy_(-x.mean(dim=0))
                self.log_scale.copy_(-x.std(dim=0).clamp_min(1e-3).log())
                self.ready.fill_(True)
        return (x + self.shift) * self.log_scale.exp(), self.log_scale.sum().expand(len(x))

    def inverse(self, z):
        return z * (-self.log_scale).exp() - self.shift


class Coupling(nn.Module):
    """Transforms the features where mask is 0, given those where it is 1."""

    def __init__(self, mask, hidden=48):
        super().__init__()
        self.register_buffer("mask", mask)
        self.net = nn.Sequential(
            nn.Linear(DIM, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2 * DIM)
        )
        nn.init.zeros_(self.net[-1].weight)
        nn.init.zeros_(self.net[-1].bias)

    def scale_shift(self, kept):
        s, t = self.net(kept).chunk(2, dim=-1)
        return torch.tanh(s) * 2 * (1 - self.mask), t * (1 - self.mask)

    def forward(self, x):
        s, t = self.scale_shift(x * self.mask)
        return x * s.exp() + t, s.sum(dim=-1)

    def inverse(self, z):
        s, t = self.scale_shift(z * self.mask)
        return (z - t) * (-s).exp()


class RealNVP(nn.Module):
    def __init__(self, layers=6):
        super().__init__()
        half = (torch.arange(DIM) % 2).float()
        steps = []
        for i in range(layers):
            steps += [ActNorm(DIM), Coupling(half if i % 2 == 0 else 1 - half)]
        self.steps = nn.ModuleList(steps)

    def forward(self, x):
        """Log density of each row."""
        log_det = torch.zeros(len(x), device=x.device)
        for step in self.steps:
            x, change = step(x)
            log_det = log_det + change
        log_prior = -0.5 * (x.pow(2) + math.log(2 * math.pi)).sum(dim=-1)
        return log_prior + log_det

    @torch.no_grad()
    def sample(self, n):
        z = torch.randn(n, DIM)
        for step in reversed(self.steps):
            z = step.inverse(z)
        return z


def build_model():
    return RealNVP()


def load_raw(seed=0):
    """Three noisy rings that share a mixture component, then a fixed rotation."""
    g = torch.Generator().manual_seed(seed)
    n = 1500
    angle, ring = 6.2832 * torch.rand(n, 3, generator=g), torch.randint(2, (n, 1), generator=g)
    radius = 1.0 + 1.5 * ring + 0.1 * torch.randn(n, 3, generator=g)
    x = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=-1).flatten(1)
    turn, _ = torch.linalg.qr(torch.randn(DIM, DIM, generator=g) + 3 * torch.eye(DIM))
    return (x @ turn * 5.0 + 20.0,)


def make_splits(raw=None, seed=0):
    (x,) = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": perm[:1100], "val": perm[1100:1250], "test": perm[1250:]}
    mean, std = x[parts["train"]].mean(0), x[parts["train"]].std(0)
    return {k: TensorDataset((x[i] - mean) / std) for k, i in parts.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return -out.mean()


def train(model, splits, steps=300, batch_size=128, lr=2e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    it, history = iter(loader), []
    model.train()
    for _ in range(steps):
        try:
            batch = next(it)
        except StopIteration:
            it = iter(loader)
            batch = next(it)
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        opt.step()
        history.append(loss.item())
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=125):
    """Negative log likelihood in nats per dimension."""
    model.eval()
    total = 0.0
    for batch in DataLoader(dataset, batch_size=batch_size):
        total += -model(*model_inputs(batch)).sum().item()
    return total / (len(dataset) * DIM)


def run(model, splits, steps=300):
    history = train(model, splits, steps=steps)
    drawn = model.sample(500)
    return {"history": history, "test": evaluate(model, splits["test"]), "sample_std": drawn.std(dim=0).mean().item()}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "nats/dim", result["test"], "spread of samples", result["sample_std"])
