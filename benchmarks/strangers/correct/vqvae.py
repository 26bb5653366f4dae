"""VQ-VAE (van den Oord et al. 2017): pictures become a 4x4 grid of discrete codes and are drawn again from them.

Straight-through gradient from the decoder to the encoder; the codebook moves to the encoder's outputs (codebook loss),
the encoder commits to its code (commitment loss, weight 0.25).
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

SIDE, GRID, CODES, WIDTH, BETA = 16, 4, 32, 8, 0.25
META = {
    "name": "vqvae", "task": "reconstruction",
    "inputs": [{"name": "image", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32", "low": 0, "high": 1}],
    "batch": [{"name": "image", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32", "low": 0, "high": 1}],
    "target": {"name": "image", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32", "low": 0, "high": 1},
    "output_shape": [["B", 1, SIDE, SIDE], ["B", WIDTH, GRID, GRID], ["B", WIDTH, GRID, GRID]],
    "oracle": None, "causal": False, "claims": {},
}


class Codebook(nn.Module):
    def __init__(self):
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(CODES, WIDTH).uniform_(-1.0, 1.0))

    def indices(self, latent):
        """The nearest code of every cell of (B, WIDTH, GRID, GRID), as (B, GRID, GRID)."""
        cells = latent.permute(0, 2, 3, 1).reshape(-1, WIDTH)
        distance = cells.square().sum(1, keepdim=True) - 2 * cells @ self.vectors.T + self.vectors.square().sum(1)
        return distance.argmin(dim=1).view(-1, GRID, GRID)

    def lookup(self, indices):
        return self.vectors[indices].permute(0, 3, 1, 2)


class VQVAE(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, hidden, 4, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(hidden, hidden, 4, stride=2, padding=1), nn.ReLU(), nn.Conv2d(hidden, WIDTH, 1),
            nn.GroupNorm(1, WIDTH),
        )
        self.codebook = Codebook()
        self.decoder = nn.Sequential(
            nn.Conv2d(WIDTH, hidden, 3, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(hidden, hidden, 4, stride=2, padding=1), nn.ReLU(),
            nn.ConvTranspose2d(hidden, 1, 4, stride=2, padding=1),
        )

    def forward(self, image):
        """Give the picture drawn from the codes (in [0, 1]), the encoder's output and the codes' vectors."""
        latent = self.encoder(2 * image - 1)
        codes = self.codebook.lookup(self.codebook.indices(latent))
        passed = latent + (codes - latent).detach()
        return torch.sigmoid(self.decoder(passed)), latent, codes

    @torch.no_grad()
    def decode(self, indices):
        return torch.sigmoid(self.decoder(self.codebook.lookup(indices)))


def build_model():
    return VQVAE()


def load_raw(seed=0):
    """A soft-edged bar and a blob per picture."""
    g = torch.Generator().manual_seed(seed)
    n = 1000
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
    angle, shift = 3.1416 * torch.rand(n, 1, 1, generator=g), torch.rand(n, 1, 1, generator=g) - 0.5
    bar = torch.exp(-40 * (x * angle.cos() + y * angle.sin() - shift) ** 2)
    cx, cy = (1.4 * (torch.rand(n, 2, 1, 1, generator=g) - 0.5)).unbind(1)
    blob = torch.exp(-12 * ((x - cx) ** 2 + (y - cy) ** 2))
    image = 0.1 + 0.6 * bar + 0.4 * blob + 0.02 * torch.randn(n, SIDE, SIDE, generator=g)
    return image.clamp(0, 1)[:, None]


def make_splits(raw=None, seed=0):
    image = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(image), generator=torch.Generator().manual_seed(seed))
    parts = {"train": order[:800], "val": order[800:900], "test": order[900:]}
    return {name: TensorDataset(image[rows]) for name, rows in parts.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    drawn, latent, codes = out
    reconstruction = F.mse_loss(drawn, batch[0]) / 0.035  # in units of the pictures' variance
    codebook = F.mse_loss(codes, latent.detach())
    commitment = F.mse_loss(latent, codes.detach())
    return reconstruction + codebook + BETA * commitment


def train(model, splits, steps=250, batch_size=50, lr=3e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    model.train()
    while len(history) < steps:
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Mean squared error per pixel of pictures that are drawn from their codes alone."""
    model.eval()
    total, count = 0.0, 0
    for (image,) in DataLoader(dataset, batch_size=64):
        drawn = model.decode(model.codebook.indices(model.encoder(2 * image - 1)))
        total += (drawn - image).square().sum().item()
        count += image.numel()
    return total / count


@torch.no_grad()
def code_perplexity(model, dataset):
    """How many codes are in use: the exponential of the entropy of their frequencies in the whole split."""
    model.eval()
    used = torch.zeros(CODES)
    for (image,) in DataLoader(dataset, batch_size=64):
        used += torch.bincount(model.codebook.indices(model.encoder(2 * image - 1)).flatten(), minlength=CODES)
    share = used / used.sum()
    return torch.exp(-(share * share.clamp(min=1e-12).log()).sum()).item()


def run(model, splits, steps=250):
    history = train(model, splits, steps=steps)
    test = splits["test"]
    return {"history": history, "test": evaluate(model, test), "perplexity": code_perplexity(model, test)}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print(result["history"][0], result["history"][-1], result["test"], result["perplexity"])
