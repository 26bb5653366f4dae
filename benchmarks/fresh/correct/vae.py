"""Variational autoencoder of small binary pictures of rectangles; the weight of the KL term is warmed up."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

SIDE, LATENT = 12, 8
PIXELS = SIDE * SIDE
META = {
    "name": "vae", "task": "density",
    "inputs": [{"name": "x", "shape": ["B", PIXELS], "dtype": "float32", "low": 0, "high": 1}],
    "batch": [{"name": "x", "shape": ["B", PIXELS], "dtype": "float32", "low": 0, "high": 1}],
    "output_shape": [["B", PIXELS], ["B", LATENT], ["B", LATENT]], "oracle": None, "causal": False, "claims": {},
}


class VAE(nn.Module):
    def __init__(self, hidden=128):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(PIXELS, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.to_mu = nn.Linear(hidden, LATENT)
        self.to_logvar = nn.Linear(hidden, LATENT)
        self.dec = nn.Sequential(nn.Linear(LATENT, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
                                 nn.Linear(hidden, PIXELS))

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def forward(self, x):
        h = self.enc(x)
        mu, logvar = self.to_mu(h), self.to_logvar(h).clamp(-10, 5)
        z = self.reparameterize(mu, logvar)
        return self.dec(z), mu, logvar

    @torch.no_grad()
    def sample(self, n):
        return self.dec(torch.randn(n, LATENT)).sigmoid()


def build_model():
    return VAE()


def load_raw(seed=0):
    rng = torch.Generator().manual_seed(seed)
    pictures = torch.zeros(1200, SIDE, SIDE)
    for picture in pictures:
        top, left = torch.randint(0, 7, (2,), generator=rng).tolist()
        height, width = torch.randint(3, 6, (2,), generator=rng).tolist()
        picture[top:top + height, left:left + width] = 1
    speck = torch.rand(pictures.shape, generator=rng) < 0.02
    return torch.where(speck, 1 - pictures, pictures).flatten(1)


def make_splits(raw=None, seed=0):
    x = load_raw(seed) if raw is None else raw
    return {"train": TensorDataset(x[:900]), "val": TensorDataset(x[900:1000]), "test": TensorDataset(x[1000:])}


def model_inputs(batch):
    return (batch[0],)


def elbo_terms(out, x):
    """Reconstruction and KL of every picture, in nats."""
    logits, mu, logvar = out
    recon = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(dim=1)
    kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(dim=1)
    return recon, kl


def compute_loss(out, batch, beta=1.0):
    recon, kl = elbo_terms(out, batch[0])
    return (recon + beta * kl).mean()


def train(model, splits, steps=300, batch_size=60, lr=3e-3):
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    warmup = max(1, steps // 4)
    history = []
    while len(history) < steps:
        model.train()
        for batch in loader:
            beta = min(1.0, len(history) / warmup)
            opt.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch, beta)
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) >= steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset, samples=8):
    """Negative evidence lower bound in nats a picture, lower is better; several draws of z for each picture."""
    model.eval()
    total = 0.0
    for batch in DataLoader(dataset, batch_size=100):
        for _ in range(samples):
            recon, kl = elbo_terms(model(*model_inputs(batch)), batch[0])
            total += (recon + kl).sum().item() / samples
    return total / len(dataset)


def run(model, splits, steps=300):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test negative ELBO", result["test"])
