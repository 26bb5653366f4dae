"""Survival of machines: hazards of discrete time intervals, censored observations, concordance index."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

FEATURES, INTERVALS = 10, 12
META = {
    "name": "survival", "task": "density",
    "inputs": [{"name": "x", "shape": ["B", FEATURES], "dtype": "float32"}],
    "batch": [
        {"name": "x", "shape": ["B", FEATURES], "dtype": "float32"},
        {"name": "interval", "shape": ["B"], "dtype": "int64", "low": 0, "high": INTERVALS},
        {"name": "failed", "shape": ["B"], "dtype": "int64", "low": 0, "high": 2},
    ],
    "output_shape": ["B", INTERVALS], "oracle": None, "causal": False, "claims": {},
}


class HazardNet(nn.Module):
    """Logits of the hazard: the probability to fail in an interval for who has reached it."""

    def __init__(self, hidden=48):
        super().__init__()
        self.inp = nn.Linear(FEATURES, hidden)
        self.hidden = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, INTERVALS)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        h = F.selu(self.inp(x))
        h = h + self.drop(F.selu(self.hidden(h)))
        return self.out(h)


def build_model():
    return HazardNet()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 1600
    x = torch.randn(n, FEATURES, generator=g)
    risk = 1.2 * x[:, 0] - 0.9 * x[:, 1] + 0.8 * x[:, 2] * x[:, 3] + 0.6 * x[:, 4].abs()
    life = 30 * (-torch.log(torch.rand(n, generator=g)) / torch.exp(risk)) ** 0.6  # months, Weibull
    watched = 6 + 34 * torch.rand(n, generator=g)
    x = x * torch.linspace(0.5, 20, FEATURES) + 5  # each sensor has its own unit
    return x, torch.minimum(life, watched), (life <= watched).long()


def make_splits(raw=None, seed=0):
    x, months, failed = load_raw(seed) if raw is None else raw
    train_rows, val_rows, test_rows = torch.arange(len(x)).split([1000, 200, len(x) - 1200])
    x = (x - x[train_rows].mean(dim=0)) / x[train_rows].std(dim=0)
    edges = torch.quantile(months[train_rows], torch.linspace(0, 1, INTERVALS + 1)[1:-1])
    interval = torch.bucketize(months, edges)
    parts = {"train": train_rows, "val": val_rows, "test": test_rows}
    return {k: TensorDataset(x[r], interval[r], failed[r], months[r]) for k, r in parts.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    """Negative log-likelihood: survived every earlier interval, then failed in its own unless censored there."""
    interval, failed = batch[1], batch[2]
    steps = torch.arange(INTERVALS)
    survived = (steps[None, :] < interval[:, None]).float()
    died = F.one_hot(interval, INTERVALS) * failed[:, None]
    log_lik = survived * F.logsigmoid(-out) + died * F.logsigmoid(out)
    return -log_lik.sum(dim=1).mean()


def train(model, splits, steps=300, batch_size=100, lr=3e-3):
    opt = torch.optim.Adam([
        {"params": [p for n, p in model.named_parameters() if n.endswith("weight")], "weight_decay": 1e-3},
        {"params": [p for n, p in model.named_parameters() if n.endswith("bias")]},
    ], lr=lr)
    sched = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.995)
    history = []
    while len(history) < steps:
        model.train()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            if len(history) == steps:
                break
            loss = compute_loss(model(*model_inputs(batch)), batch)
            model.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            history.append(loss.item())
    return history


def expected_lifetime(out):
    """Number of intervals that a machine is expected to survive."""
    return torch.cumprod(torch.sigmoid(-out), dim=1).sum(dim=1)


def concordance(predicted_life, months, failed):
    """Harrell's C: of the pairs whose order is known, the share that is predicted in the right order."""
    known = (months[:, None] < months[None, :]) & (failed[:, None] == 1)
    right = predicted_life[:, None] < predicted_life[None, :]
    tied = predicted_life[:, None] == predicted_life[None, :]
    return ((right + 0.5 * tied)[known].sum() / known.sum()).item()


@torch.no_grad()
def evaluate(model, dataset):
    """Concordance index over the whole data set."""
    model.eval()
    life, months, failed = [], [], []
    for batch in DataLoader(dataset, batch_size=128):
        life.append(expected_lifetime(model(*model_inputs(batch))))
        months.append(batch[3])
        failed.append(batch[2])
    return concordance(torch.cat(life), torch.cat(months), torch.cat(failed))


def run(model, splits, steps=300):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test concordance", result["test"])
