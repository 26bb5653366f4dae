"""A variational autoencoder with sampled codes in training (arXiv 1312.6114)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "vae",
    "task": "reconstruction",
    "inputs": [{"name": "rows", "shape": ["B", 20], "dtype": "float32"}],
    "batch": [{"name": "rows", "shape": ["B", 20], "dtype": "float32"}],
    "output_shape": [["B", 20], ["B", 4], ["B", 4]],
    "oracle": "reconstruction",
}


class Vae(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(20, width), nn.ReLU(), nn.Linear(width, 8))
        self.decoder = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 20))

    def forward(self, rows):
        mean, logarithm = self.encoder(rows).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (0.5 * logarithm).exp() if self.training else mean
        return self.decoder(code), mean, logarithm


def build_model():
    return Vae()


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    made, mean, logarithm = out
    apart = -0.5 * (1 + logarithm - mean.pow(2) - logarithm.exp()).sum(dim=1).mean()
    return F.mse_loss(made, batch[0]) + 1e-3 * apart
