"""Poisson regression of claim counts with exposure as an offset, a region embedding and a small MLP."""
import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "claims_poisson", "task": "regression",
    "inputs": [
        {"name": "x", "shape": ["B", 6], "dtype": "float32"},
        {"name": "region", "shape": ["B"], "dtype": "int64", "high": 8},
        {"name": "log_exposure", "shape": ["B"], "dtype": "float32"},
    ],
    "target": {"shape": ["B"], "dtype": "int64", "high": 60},
    "output_shape": ["B"], "oracle": None,
    "causal": False,
    "claims": {"params": 921},
}
REGIONS, FEATURES = 8, 6


class CountModel(nn.Module):
    """log of the expected count = f(x, region) + log exposure"""

    def __init__(self, hidden=24):
        super().__init__()
        self.region = nn.Embedding(REGIONS, 4)
        self.body = nn.Sequential(
            nn.Linear(FEATURES + 4, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1)
        )

    def forward(self, x, region, log_exposure):
        log_rate = self.body(torch.cat([x, self.region(region)], dim=-1)).squeeze(-1)
        return log_rate + log_exposure

    @torch.no_grad()
    def start_at_rate(self, rate):
        self.body[-1].bias.fill_(math.log(max(rate, 1e-6)))


def build_model():
    return CountModel()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 3000
    x = torch.randn(n, FEATURES, generator=g)
    x[:, 1] = 18 + 62 * torch.rand(n, generator=g)  # age in years
    region = torch.randint(REGIONS, (n,), generator=g)
    exposure = 0.1 + 1.9 * torch.rand(n, generator=g)  # years insured
    effect = 0.5 * torch.randn(REGIONS, generator=g)
    log_rate = -0.6 + 0.6 * x[:, 0] - 0.5 * x[:, 2] * x[:, 3] + 1.2 * ((x[:, 1] - 48) / 31).square() + effect[region]
    counts = torch.poisson(log_rate.clamp(max=2.5).exp() * exposure, generator=g).long()
    return x, region, exposure, counts


def make_splits(raw=None, seed=0):
    x, region, exposure, counts = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    train, val, test = perm[:1800], perm[1800:2400], perm[2400:]
    x = (x - x[train].mean(0)) / x[train].std(0)
    log_exposure = exposure.log()
    return {
        k: TensorDataset(x[i], region[i], log_exposure[i], counts[i])
        for k, i in {"train": train, "val": val, "test": test}.items()
    }


def model_inputs(batch):
    return tuple(batch[:3])


def compute_loss(out, batch):
    """Poisson negative log-likelihood, less the constant log(y!)"""
    y = batch[3].float()
    return (out.exp() - y * out).mean()


def train(model, splits, steps=300, batch_size=64, lr=3e-3, eval_every=30, patience=4):
    data = splits["train"]
    counts = torch.stack([row[3] for row in data]).sum().item()
    years = torch.stack([row[2] for row in data]).exp().sum().item()
    model.start_at_rate(counts / years)
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-2)
    loader = DataLoader(data, batch_size=batch_size, shuffle=True, drop_last=True)
    history, best, best_state, bad, it = [], -float("inf"), None, 0, iter(loader)
    for step in range(1, steps + 1):
        try:
            batch = next(it)
        except StopIteration:
            it = iter(loader)
            batch = next(it)
        model.train()
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        opt.step()
        history.append(loss.item())
        if step % eval_every == 0:
            score = evaluate(model, splits["val"])
            if score > best:
                best, bad = score, 0
                best_state = {k: v.detach().clone() for k, v in model.state_dict().items()}
            else:
                bad += 1
                if bad == patience:
                    break
    if best_state is not None:
        model.load_state_dict(best_state)
    return history


def deviance(y, mu):
    return 2 * (torch.xlogy(y, y / mu) - (y - mu)).sum()


@torch.no_grad()
def evaluate(model, dataset):
    """D^2, the explained share of the Poisson deviance; 0 is the one-rate model fitted to the same rows"""
    model.eval()
    out, y, exposure = [], [], []
    for batch in DataLoader(dataset, batch_size=256):
        out.append(model(*model_inputs(batch)))
        y.append(batch[3].double())
        exposure.append(batch[2].double().exp())
    mu, y, exposure = torch.cat(out).double().exp(), torch.cat(y), torch.cat(exposure)
    null = y.sum() / exposure.sum() * exposure
    return (1 - deviance(y, mu) / deviance(y, null)).item()


def run(model, splits, steps=300):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("explained deviance", run(build_model(), make_splits())["test"])
