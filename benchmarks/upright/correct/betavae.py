"""Variational autoencoder, Gaussian likelihood of fixed variance, KL warm-up; scored by a sampled negative ELBO."""
import math

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

DIM, LATENT, NOISE_VAR = 24, 4, 0.1

META = {
    "name": "betavae", "task": "reconstruction",
    "inputs": [{"name": "x", "shape": ["B", DIM], "dtype": "float32"}],
    "batch": [{"name": "x", "shape": ["B", DIM], "dtype": "float32"}],
    "output_shape": [["B", DIM], ["B", LATENT], ["B", LATENT]], "oracle": "reconstruction", "causal": False,
    "claims": {"params": 4000, "mflops": 0.00768},
}


class VAE(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(DIM, hidden), nn.ELU(), nn.Linear(hidden, 2 * LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, hidden), nn.ELU(), nn.Linear(hidden, DIM))

    def encode(self, x):
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def forward(self, x):
        mu, logvar = self.encode(x)
        z = mu
        if self.training:
            z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        return self.decoder(z), mu, logvar


def build_model():
    return VAE()


def load_raw(seed=0):
    """Two-harmonic waves: amplitudes and phases are the hidden factors."""
    g = torch.Generator().manual_seed(seed)
    n = 900
    t = torch.linspace(0, 2 * math.pi, DIM)
    a, b = torch.rand(n, 1, generator=g) + 0.5, torch.rand(n, 1, generator=g)
    p, q = math.pi * torch.rand(n, 1, generator=g), math.pi * torch.rand(n, 1, generator=g)
    wave = a * torch.sin(t + p) + b * torch.sin(2 * t + q)
    return (wave + 0.1 * torch.randn(n, DIM, generator=g),)


def make_splits(raw=None, seed=0):
    (x,) = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    tr, va, te = perm[:600], perm[600:700], perm[700:]
    x = (x - x[tr].mean(0)) / x[tr].std(0)
    return {k: TensorDataset(x[i]) for k, i in (("train", tr), ("val", va), ("test", te))}


def model_inputs(batch):
    return (batch[0],)


def gaussian_nll(recon, x):
    """Negative log likelihood without its constant, summed over dimensions."""
    return 0.5 * (recon - x).square().sum(dim=1) / NOISE_VAR


def kl_to_standard_normal(mu, logvar):
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(dim=1)


def compute_loss(out, batch, beta=1.0):
    recon, mu, logvar = out
    return (gaussian_nll(recon, batch[0]) + beta * kl_to_standard_normal(mu, logvar)).mean()


def train(model, splits, steps=500, batch_size=50, lr=3e-3, warmup=0.4):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    history, step = [], 0
    model.train()
    while step < steps:
        for batch in loader:
            beta = min(1.0, step / max(1.0, warmup * steps))
            loss = compute_loss(model(*model_inputs(batch)), batch, beta)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 50.0)
            opt.step()
            history.append(loss.item())
            step += 1
            if step == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset, samples=16, seed=0):
    """Negative ELBO (beta = 1) per item, up to the likelihood's constant, from seeded posterior samples."""
    model.eval()
    g = torch.Generator().manual_seed(seed)
    total = 0.0
    for (x,) in DataLoader(dataset, batch_size=100):
        mu, logvar = model.encode(x)
        eps = torch.randn(samples, *mu.shape, generator=g)
        recon = model.decoder(mu + torch.exp(0.5 * logvar) * eps)
        nll = 0.5 * (recon - x).square().sum(dim=-1).mean(dim=0) / NOISE_VAR
        total += (nll + kl_to_standard_normal(mu, logvar)).sum().item()
    return total / len(dataset)


def run(model, splits, steps=500):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    data = make_splits()
    constant = gaussian_nll(torch.zeros(DIM), data["test"].tensors[0]).mean().item()
    print("negative ELBO", run(build_model(), data)["test"], "predicting the mean", constant)
