"""Ordinal regression after CORAL (Cao et al. 2020): one shared projection, K-1 ordered biases, mean absolute rank error."""
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

K = 5  # ranks 0..4

META = {
    "name": "coral", "task": "classification", "num_classes": K,
    "inputs": [{"name": "x", "shape": ["B", 12], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": K},
    "output_shape": ["B", K - 1], "oracle": None, "causal": False,
    "claims": {"params": 1508, "mflops": 0.00288},
}


class Coral(nn.Module):
    """Logit k is that of P(rank > k); sharing the weights keeps the K-1 probabilities ordered."""

    def __init__(self, features=12, hidden=32, ranks=K):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(features, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.score = nn.Linear(hidden, 1, bias=False)
        self.bias = nn.Parameter(torch.linspace(1.0, -1.0, ranks - 1))

    def forward(self, x):
        return self.score(self.trunk(x)) + self.bias


def build_model():
    return Coral()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(800, 12, generator=g) * 2.0 + 1.0
    u = (x - 1.0) / 2.0
    latent = 1.2 * u[:, 0] + torch.tanh(2 * u[:, 1]) - 0.8 * u[:, 2] * u[:, 3] + 0.3 * torch.randn(800, generator=g)
    rank = torch.bucketize(latent, torch.tensor([-1.8, -0.6, 0.5, 1.6]))
    return x, rank


def make_splits(raw=None, seed=0):
    x, rank = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    tr, va, te = perm[:500], perm[500:600], perm[600:]
    x = (x - x[tr].mean(0)) / x[tr].std(0)
    return {k: TensorDataset(x[i], rank[i]) for k, i in (("train", tr), ("val", va), ("test", te))}


def model_inputs(batch):
    return (batch[0],)


def levels(rank):
    return (rank[:, None] > torch.arange(K - 1, device=rank.device)).float()


def compute_loss(out, batch):
    return F.binary_cross_entropy_with_logits(out, levels(batch[1]), reduction="none").sum(dim=1).mean()


def predict(logits):
    return (logits > 0).sum(dim=1)


def train(model, splits, steps=300, batch_size=50, lr=5e-3):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-2)
    history = []
    while len(history) < steps:
        model.train()
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
    """Mean absolute error in ranks (lower is better)."""
    model.eval()
    error = 0
    for batch in DataLoader(dataset, batch_size=100):
        error += (predict(model(*model_inputs(batch))) - batch[1]).abs().sum().item()
    return error / len(dataset)


def run(model, splits, steps=300):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    data = make_splits()
    median = data["train"].tensors[1].median()
    floor = (data["test"].tensors[1] - median).abs().float().mean().item()
    print("rank MAE", run(build_model(), data)["test"], "always the median", floor)
