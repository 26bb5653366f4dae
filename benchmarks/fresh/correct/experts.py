"""Mixture of experts with two tasks: what a used car costs and how it will be sold; top-2 routing, balanced load."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

FEATURES, CHANNELS, EXPERTS, TOP = 12, 3, 4, 2
META = {
    "name": "experts", "task": "regression",
    "inputs": [{"name": "x", "shape": ["B", FEATURES], "dtype": "float32"}],
    "batch": [
        {"name": "x", "shape": ["B", FEATURES], "dtype": "float32"},
        {"name": "price", "shape": ["B"], "dtype": "float32"},
        {"name": "channel", "shape": ["B"], "dtype": "int64", "low": 0, "high": CHANNELS},
    ],
    "output_shape": [["B"], ["B", CHANNELS], ["B", EXPERTS]], "oracle": None, "causal": False, "claims": {},
}


class MixtureOfExperts(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.router = nn.Linear(dim, EXPERTS)
        self.experts = nn.ModuleList(
            [nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim)) for _ in range(EXPERTS)]
        )

    def forward(self, x):
        probs = F.softmax(self.router(x), dim=-1)  # (B, EXPERTS)
        weight, chosen = probs.topk(TOP, dim=-1)
        weight = weight / weight.sum(dim=-1, keepdim=True)
        gates = torch.zeros_like(probs).scatter(1, chosen, weight)
        outputs = torch.stack([expert(x) for expert in self.experts], dim=1)  # (B, EXPERTS, dim)
        return (gates.unsqueeze(-1) * outputs).sum(dim=1), probs


class CarModel(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(FEATURES, dim), nn.Tanh())
        self.moe = MixtureOfExperts(dim, 32)
        self.norm = nn.LayerNorm(dim)
        self.price = nn.Linear(dim, 1)
        self.channel = nn.Linear(dim, CHANNELS)

    def forward(self, x):
        h = self.trunk(x)
        mixed, probs = self.moe(h)
        h = self.norm(h + mixed)
        return self.price(h).squeeze(-1), self.channel(h), probs


def build_model():
    return CarModel()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 1800
    segment = torch.randint(0, 4, (n,), generator=g)  # small car, family car, van, sports car
    centres = 2.0 * torch.randn(4, FEATURES, generator=g)
    own = torch.randn(n, FEATURES, generator=g)  # how a car differs from others of its segment
    x = centres[segment] + own
    value = torch.randn(4, FEATURES, generator=g)
    base = torch.tensor([6.0, 14.0, 11.0, 30.0])
    price = 1000 * (base[segment] + 2 * (value[segment] * own).sum(1) + 0.5 * torch.randn(n, generator=g))
    taste = torch.randn(4, FEATURES, CHANNELS, generator=g)
    logits = torch.einsum("nf,nfc->nc", own, taste[segment]) + 0.5 * torch.randn(n, CHANNELS, generator=g)
    return x, price, logits.argmax(1)


def make_splits(raw=None, seed=0):
    x, price, channel = load_raw(seed) if raw is None else raw
    rows = dict(zip(("train", "val", "test"),
                    torch.randperm(len(x), generator=torch.Generator().manual_seed(seed)).split([1200, 200, 400])))
    own = rows["train"]
    x = (x - x[own].mean(0)) / x[own].std(0)
    price = (price - price[own].mean()) / price[own].std()
    return {name: TensorDataset(x[r], price[r], channel[r]) for name, r in rows.items()}


def model_inputs(batch):
    return (batch[0],)


def balance_loss(probs):
    """Switch Transformer, arXiv 2101.03961 eq. 4: experts times the sum of routed share and mean probability."""
    routed = F.one_hot(probs.topk(TOP, dim=-1).indices, EXPERTS).sum(dim=1).float()
    share = routed.mean(dim=0) / TOP
    return EXPERTS * (share * probs.mean(dim=0)).sum()


def compute_loss(out, batch):
    price, channel, probs = out
    return (F.smooth_l1_loss(price, batch[1]) + 0.5 * F.cross_entropy(channel, batch[2])
            + 0.02 * balance_loss(probs))


class Trainer:
    def __init__(self, model, splits, batch_size=100, lr=8e-3):
        self.model, self.splits = model, splits
        self.loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
        self.optimizer = torch.optim.NAdam(model.parameters(), lr=lr)
        self.history = []

    def step(self, batch):
        loss = compute_loss(self.model(*model_inputs(batch)), batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.history.append(loss.item())

    def fit(self, steps):
        scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda s: max(0.05, 1 - s / steps))
        while len(self.history) < steps:
            self.model.train()
            for batch in self.loader:
                self.step(batch)
                scheduler.step()
                if len(self.history) == steps:
                    break
        return self.history


def train(model, splits, steps=250):
    return Trainer(model, splits).fit(steps)


@torch.no_grad()
def evaluate(model, dataset):
    """Mean of the two tasks: R squared of the price and accuracy of the channel."""
    model.eval()
    prices, expected, hits = [], [], []
    for batch in DataLoader(dataset, batch_size=128):
        price, channel, _ = model(*model_inputs(batch))
        prices.append(price)
        expected.append(batch[1])
        hits.append(channel.argmax(dim=1) == batch[2])
    price, truth = torch.cat(prices), torch.cat(expected)
    r2 = 1 - (price - truth).pow(2).sum() / (truth - truth.mean()).pow(2).sum()
    return 0.5 * (r2 + torch.cat(hits).float().mean()).item()


def run(model, splits, steps=250):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test score", result["test"])
