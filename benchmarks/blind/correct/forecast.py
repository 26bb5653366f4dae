"""Patch transformer with reversible instance normalisation; hourly load of several sites, 12 steps ahead."""
import math

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

LOOKBACK, HORIZON, SITES, PATCH = 48, 12, 5, 8
META = {
    "name": "forecast", "task": "regression",
    "inputs": [{"name": "past", "shape": ["B", LOOKBACK, SITES], "dtype": "float32"}],
    "target": {"shape": ["B", HORIZON, SITES], "dtype": "float32"},
    "output_shape": ["B", HORIZON, SITES], "oracle": "regression", "causal": False,
    "claims": {"norm": "pre"},
}


class Windows(Dataset):
    """Pairs of LOOKBACK steps and the HORIZON steps that follow them."""

    def __init__(self, series):
        self.series = series

    def __len__(self):
        return len(self.series) - LOOKBACK - HORIZON + 1

    def __getitem__(self, i):
        return self.series[i:i + LOOKBACK], self.series[i + LOOKBACK:i + LOOKBACK + HORIZON]


class PatchTransformer(nn.Module):
    """Each site is a sequence of patches; the sites share the weights."""

    def __init__(self, dim=32, heads=4, depth=2):
        super().__init__()
        self.patches = LOOKBACK // PATCH
        self.embed = nn.Linear(PATCH, dim)
        self.pos = nn.Parameter(0.02 * torch.randn(self.patches, dim))
        layer = nn.TransformerEncoderLayer(dim, heads, 2 * dim, dropout=0.0, activation="gelu",
                                           batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(self.patches * dim, HORIZON)

    def forward(self, past):
        b = past.shape[0]
        mean = past.mean(1, keepdim=True)
        std = past.std(1, keepdim=True, unbiased=False) + 1e-5
        x = (past - mean) / std
        x = x.transpose(1, 2).reshape(b * SITES, self.patches, PATCH)
        x = self.encoder(self.embed(x) + self.pos)
        y = self.head(x.flatten(1)).view(b, SITES, HORIZON).transpose(1, 2)
        return y * std + mean


def build_model():
    return PatchTransformer()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    t = torch.arange(520).float()
    phase = 2 * math.pi * torch.rand(SITES, generator=g)
    level = 20 * torch.rand(SITES, generator=g)
    daily = torch.sin(2 * math.pi * t.unsqueeze(1) / 24 + phase)
    slow = torch.sin(2 * math.pi * t.unsqueeze(1) / 140 + phase.flip(0))
    walk = 0.15 * torch.randn(520, SITES, generator=g).cumsum(0)
    return (level + 2 * daily + slow + walk + 0.2 * torch.randn(520, SITES, generator=g),)


def make_splits(raw=None, seed=0):
    """Cut in time: no target of a later part is seen by an earlier one."""
    (series,) = load_raw(seed) if raw is None else raw
    a, b = int(0.6 * len(series)), int(0.8 * len(series))
    mean, std = series[:a].mean(0), series[:a].std(0)
    series = (series - mean) / std
    return {"train": Windows(series[:a]), "val": Windows(series[a:b]), "test": Windows(series[b:])}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return nn.functional.mse_loss(out, batch[1])


def train(model, splits, steps=80, batch_size=32, lr=2e-3):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=lr, total_steps=steps)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history = []
    while len(history) < steps:
        model.train()
        for batch in loader:
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) == steps:
                break
        evaluate(model, splits["val"])
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=24):
    """Mean absolute error over every step and site, in standard deviations of the training part."""
    model.eval()
    error, count = 0.0, 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        out = model(*model_inputs(batch))
        error += (out - batch[1]).abs().sum().item()
        count += out.numel()
    return error / count


def run(model, splits, steps=80):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
