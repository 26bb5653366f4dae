"""Probabilistic load forecasting: windows scaled by their own context, quantile (pinball) loss."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

CONTEXT, HORIZON, PERIOD = 48, 12, 24
QUANTILES = (0.1, 0.5, 0.9)

META = {
    "name": "forecast", "task": "regression",
    "inputs": [{"name": "past", "shape": ["B", CONTEXT], "dtype": "float32"}],
    "target": {"shape": ["B", HORIZON], "dtype": "float32"},
    "output_shape": ["B", HORIZON, len(QUANTILES)], "oracle": None, "causal": False, "claims": {},
}


class CausalConv(nn.Module):
    """Dilated residual convolution, padded on the left only."""

    def __init__(self, channels, dilation):
        super().__init__()
        self.pad = 2 * dilation
        self.conv = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)

    def forward(self, x):
        h = self.conv(F.pad(x, (self.pad, 0)))
        return x + self.mix(F.gelu(h))


class QuantileTCN(nn.Module):
    def __init__(self, channels=24):
        super().__init__()
        self.lift = nn.Conv1d(1, channels, 1)
        self.blocks = nn.Sequential(*[CausalConv(channels, 2**i) for i in range(5)])
        self.head = nn.Linear(channels, HORIZON * len(QUANTILES))

    def forward(self, past):
        # Each window is scaled by what is known when the forecast is made.
        loc = past.mean(dim=1, keepdim=True)
        scale = past.std(dim=1, keepdim=True) + 1e-3
        h = self.blocks(self.lift(((past - loc) / scale)[:, None]))
        out = self.head(h[:, :, -1]).view(-1, HORIZON, len(QUANTILES))
        return out * scale[:, :, None] + loc[:, :, None]


def build_model():
    return QuantileTCN()


def load_raw(seed=0):
    """Six hourly series: daily cycle of its own shape, slow drift, noise that follows the level."""
    g = torch.Generator().manual_seed(seed)
    hours, series = torch.arange(900.0), 6
    level = 5 + 10 * torch.rand(series, 1, generator=g)
    phase = 6.28 * torch.rand(series, 1, generator=g)
    daily = torch.sin(6.2832 * hours / PERIOD + phase) + 0.4 * torch.sin(12.566 * hours / PERIOD + 2 * phase)
    drift = torch.randn(series, 900, generator=g).cumsum(1) * 0.03
    noise = 0.15 * torch.randn(series, 900, generator=g)
    return (level * (1 + 0.3 * daily + 0.05 * drift + 0.3 * noise),)


def windows(values, start, stop):
    """All (past, future) pairs that lie wholly inside [start, stop)."""
    w = values[:, start:stop].unfold(1, CONTEXT + HORIZON, 3)
    w = w.reshape(-1, CONTEXT + HORIZON)
    past, future = w[:, :CONTEXT], w[:, CONTEXT:]
    return TensorDataset(past.contiguous(), future.contiguous())


def make_splits(raw=None, seed=0):
    """Chronological: the first 600 hours train, then validation, then test; no window crosses a border."""
    (values,) = load_raw(seed) if raw is None else raw
    return {"train": windows(values, 0, 600), "val": windows(values, 600, 740), "test": windows(values, 740, 900)}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    error = batch[1][:, :, None] - out
    q = torch.tensor(QUANTILES, device=out.device)
    return torch.maximum(q * error, (q - 1) * error).mean()


def train(model, splits, steps=150, batch_size=64, lr=2e-3, eval_every=25):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    it, history = iter(loader), []
    best, kept = float("inf"), None
    model.train()
    for step in range(1, steps + 1):
        try:
            batch = next(it)
        except StopIteration:
            it = iter(loader)
            batch = next(it)
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad()
        loss.backward()
        opt.step()
        history.append(loss.item())
        if step % eval_every == 0 or step == steps:
            score = evaluate(model, splits["val"])
            if score < best:
                best = score
                kept = {k: v.detach().clone() for k, v in model.state_dict().items()}
            model.train()
    model.load_state_dict(kept)
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=64):
    """Mean absolute error of the median forecast, in the units of the series."""
    model.eval()
    total, count = 0.0, 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        median = model(*model_inputs(batch))[:, :, QUANTILES.index(0.5)]
        total += (median - batch[1]).abs().sum().item()
        count += batch[1].numel()
    return total / count


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test MAE", result["test"])
