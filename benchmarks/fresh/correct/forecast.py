"""Probabilistic forecast of hourly load: patches of the past, a transformer encoder, quantiles of the next half day."""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

PAST, HORIZON, PATCH = 72, 12, 6
QUANTILES = (0.1, 0.5, 0.9)
META = {
    "name": "forecast", "task": "regression",
    "inputs": [{"name": "past", "shape": ["B", PAST], "dtype": "float32"}],
    "target": {"name": "future", "shape": ["B", HORIZON], "dtype": "float32"},
    "output_shape": ["B", HORIZON, len(QUANTILES)], "oracle": None, "causal": False, "positional": "tokens",
    "claims": {"norm": "pre"},
}


class PatchForecaster(nn.Module):
    def __init__(self, dim=32, heads=4, layers=2):
        super().__init__()
        self.patch = nn.Linear(PATCH, dim)
        self.position = nn.Parameter(0.02 * torch.randn(PAST // PATCH, dim))
        layer = nn.TransformerEncoderLayer(dim, heads, 2 * dim, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(PAST // PATCH * dim, HORIZON * len(QUANTILES))

    def forward(self, past):
        mean = past.mean(dim=1, keepdim=True)
        std = past.std(dim=1, keepdim=True) + 1e-3
        x = (past - mean) / std  # every window in its own units (RevIN)
        tokens = self.patch(x.unfold(1, PATCH, PATCH)) + self.position
        h = self.encoder(tokens).flatten(1)
        out = self.head(h).view(-1, HORIZON, len(QUANTILES))
        return out * std[:, :, None] + mean[:, :, None]


def build_model():
    return PatchForecaster()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    hours = torch.arange(2600, dtype=torch.float32)
    day = torch.sin(2 * torch.pi * hours / 24) + 0.5 * torch.sin(4 * torch.pi * hours / 24 + 1.0)
    slow = torch.cumsum(0.05 * torch.randn(len(hours), generator=g), 0)
    wobble = 0.15 + 0.25 * (torch.sin(2 * torch.pi * hours / 24) > 0)  # busy hours are hard to predict
    return 300 + 40 * (2 * day + slow + wobble * torch.randn(len(hours), generator=g))


def windows(series, stride):
    """(past, future) pairs, the future right after the past."""
    both = series.unfold(0, PAST + HORIZON, stride)
    return TensorDataset(both[:, :PAST].contiguous(), both[:, PAST:].contiguous())


def make_splits(raw=None, seed=0):
    series = load_raw(seed) if raw is None else raw
    a, b = int(0.7 * len(series)), int(0.82 * len(series))
    return {"train": windows(series[:a], 1), "val": windows(series[a:b], 3), "test": windows(series[b:], 3)}


def model_inputs(batch):
    return (batch[0],)


def pinball(out, target):
    """Quantile loss of each quantile, in MW. out: (B, HORIZON, quantiles)."""
    q = torch.tensor(QUANTILES)
    error = target.unsqueeze(-1) - out
    return torch.maximum(q * error, (q - 1) * error).mean(dim=(0, 1))


def compute_loss(out, batch):
    return pinball(out, batch[1]).mean() / 40  # 40 MW is about the load's spread


def train(model, splits, steps=180, batch_size=64, lr=2e-3):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-3)
    warm = torch.optim.lr_scheduler.LinearLR(opt, start_factor=0.1, total_iters=20)
    down = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=max(1, steps - 20))
    sched = torch.optim.lr_scheduler.SequentialLR(opt, [warm, down], milestones=[20])
    history = []
    while len(history) < steps:
        model.train()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_value_(model.parameters(), 1.0)
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) == steps:
                return history
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Mean pinball loss over quantiles in MW, lower is better."""
    model.eval()
    out, target = [], []
    for batch in DataLoader(dataset, batch_size=50):
        out.append(model(*model_inputs(batch)))
        target.append(batch[1])
    return pinball(torch.cat(out), torch.cat(target)).mean().item()


def run(model, splits, steps=180):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test pinball loss", result["test"])
