"""Churn from tables: categories, numbers with holes, several months of each customer, one churner in six; AUROC."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

CARDINALITIES, NUMBERS = (5, 7, 3), 8
OFFSETS = (0, 5, 12)
META = {
    "name": "churn", "task": "binary", "num_classes": 2,
    "inputs": [
        {"name": "categories", "shape": ["B", 3], "dtype": "int64", "high": 3},
        {"name": "numbers", "shape": ["B", 2 * NUMBERS], "dtype": "float32"},
    ],
    "target": {"shape": ["B"], "dtype": "float32", "high": 2},
    "output_shape": ["B"], "oracle": "binary_logit", "causal": False, "claims": {"params": 4889},
}


class TabularNet(nn.Module):
    def __init__(self, dim=8, hidden=64):
        super().__init__()
        self.embed = nn.Embedding(sum(CARDINALITIES), dim)
        self.register_buffer("offset", torch.tensor(OFFSETS))
        self.norm = nn.BatchNorm1d(2 * NUMBERS)
        self.mlp = nn.Sequential(
            nn.Linear(3 * dim + 2 * NUMBERS, hidden), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(hidden, 32), nn.ReLU(), nn.Linear(32, 1),
        )

    def forward(self, categories, numbers):
        e = self.embed(categories + self.offset).flatten(1)
        return self.mlp(torch.cat([e, self.norm(numbers)], dim=1)).squeeze(1)


def build_model():
    return TabularNet()


def load_raw(seed=0):
    """Categories, numbers (NaN where unknown), churned, customer; four months of each of 150 customers."""
    g = torch.Generator().manual_seed(seed)
    customers, months = 150, 4
    cats = torch.stack([torch.randint(c, (customers,), generator=g) for c in CARDINALITIES], 1)
    taste = [torch.randn(c, generator=g) for c in CARDINALITIES]
    base = torch.randn(customers, NUMBERS, generator=g)
    weight = torch.randn(NUMBERS, generator=g)
    score = base @ weight + 1.5 * sum(t[cats[:, i]] for i, t in enumerate(taste))
    score = score + 0.5 * torch.randn(customers, generator=g)
    churned = (score > score.quantile(0.83)).float()
    customer = torch.arange(customers).repeat_interleave(months)
    numbers = base[customer] + 0.2 * torch.randn(len(customer), NUMBERS, generator=g)
    numbers = numbers * torch.tensor([1.0, 5, 20, 0.1, 3, 1, 100, 2]) + torch.tensor([0.0, 10, 50, 1, 0, 5, 300, 2])
    numbers[torch.rand(numbers.shape, generator=g) < 0.1] = float("nan")
    return cats[customer], numbers, churned[customer], customer


def make_splits(raw=None, seed=0):
    cats, numbers, y, customer = load_raw(seed) if raw is None else raw
    who = torch.unique(customer)
    who = who[torch.randperm(len(who), generator=torch.Generator().manual_seed(seed + 1))]
    a, b = int(0.6 * len(who)), int(0.8 * len(who))
    groups = {"train": who[:a], "val": who[a:b], "test": who[b:]}
    rows = {k: torch.isin(customer, v).nonzero().squeeze(1) for k, v in groups.items()}
    seen = numbers[rows["train"]]
    median = seen.nanmedian(0).values
    missing = torch.isnan(numbers).float()
    filled = torch.where(torch.isnan(numbers), median, numbers)
    mean, std = filled[rows["train"]].mean(0), filled[rows["train"]].std(0)
    x = torch.cat([(filled - mean) / std, missing], 1)
    return {k: TensorDataset(cats[i], x[i], y[i]) for k, i in rows.items()}


def model_inputs(batch):
    return batch[0], batch[1]


POS_WEIGHT = 5.0  # five who stay for each who leaves


def compute_loss(out, batch):
    return F.binary_cross_entropy_with_logits(out, batch[2], pos_weight=torch.tensor(POS_WEIGHT))


def train(model, splits, steps=80, batch_size=32, lr=3e-3):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-3)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history = []
    while len(history) < steps:
        model.train()
        for batch in loader:
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
        evaluate(model, splits["val"])
    return history


def auroc(scores, labels):
    """Chance that a churner is ranked above one who stays, ties count half."""
    pos, neg = scores[labels == 1], scores[labels == 0]
    diff = pos.unsqueeze(1) - neg.unsqueeze(0)
    return ((diff > 0).float() + 0.5 * (diff == 0).float()).mean().item()


@torch.no_grad()
def evaluate(model, dataset, batch_size=50):
    model.eval()
    scores, labels = [], []
    for batch in DataLoader(dataset, batch_size=batch_size):
        scores.append(model(*model_inputs(batch)))
        labels.append(batch[2])
    return auroc(torch.cat(scores), torch.cat(labels))


def run(model, splits, steps=80):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
