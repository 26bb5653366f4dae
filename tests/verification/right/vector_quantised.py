"""An autoencoder with a vector-quantised code and the straight-through gradient (arXiv 1711.00937), and a probe."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "vector_quantised",
    "task": "reconstruction",
    "inputs": [{"name": "rows", "shape": ["B", 12], "dtype": "float32"}],
    "batch": [
        {"name": "rows", "shape": ["B", 12], "dtype": "float32"},
        {"name": "kind", "shape": ["B"], "dtype": "int64", "high": 3},
    ],
    "output_shape": [["B", 12], ["B", 3], ["B", 6], ["B", 6]],
}


class Quantised(nn.Module):
    def __init__(self, width=32, codes=16):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, width), nn.ReLU(), nn.Linear(width, 6))
        self.codes = nn.Parameter(0.5 * torch.randn(codes, 6))
        self.decoder = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 12))
        self.probe = nn.Linear(6, 3)

    def forward(self, rows):
        code = self.encoder(rows)  # (batch, 6)
        nearest = self.codes[torch.cdist(code, self.codes).argmin(1)]
        passed_on = code + (nearest - code).detach()
        return self.decoder(passed_on), self.probe(code.detach()), code, nearest  # the probe only watches: no gradient


def build_model():
    return Quantised()


def load_raw(seed=0):
    generator = torch.Generator().manual_seed(seed)
    kind = torch.randint(3, (240,), generator=generator)
    centres = 1.5 * torch.randn(3, 12, generator=generator)
    return centres[kind] + torch.randn(240, 12, generator=generator), kind


def make_splits(raw=None, seed=0):
    rows, kind = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": order[:160], "val": order[160:200], "test": order[200:]}
    rows = (rows - rows[parts["train"]].mean(0)) / rows[parts["train"]].std(0)
    return {name: TensorDataset(rows[chosen], kind[chosen]) for name, chosen in parts.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    made, kinds, code, nearest = out
    commitment = F.mse_loss(nearest, code.detach()) + 0.25 * F.mse_loss(code, nearest.detach())
    return F.mse_loss(made, batch[0]) + commitment + 0.1 * F.cross_entropy(kinds, batch[1])


def train(model, splits, steps=60, batch_size=20):
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-4)
    history = []
    while len(history) < steps:
        model.train()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=32):
    """Mean squared error of what is given back."""
    model.eval()
    total, count = 0.0, 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        total += (model(*model_inputs(batch))[0] - batch[0]).square().sum().item()
        count += batch[0].numel()
    return total / count


def run(model, splits, steps=60):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}
