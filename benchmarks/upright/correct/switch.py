"""Switch-style classifier: top-1 mixture of experts in a pre-norm residual layer, with the load-balancing loss."""
from typing import NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

EXPERTS, CLASSES, FEATURES = 4, 4, 10
BALANCE = 0.02

META = {
    "name": "switch", "task": "classification", "num_classes": CLASSES,
    "inputs": [{"name": "x", "shape": ["B", FEATURES], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": CLASSES},
    "output_shape": [["B", CLASSES], ["B", EXPERTS]], "oracle": "onehot",
    "output_range": {"1": [0.0, 1.0]}, "causal": False,
    "claims": {"params": 13352, "mflops": 0.0073, "norm": "pre", "residual_adds": 1},
}


class Output(NamedTuple):
    logits: torch.Tensor
    gates: torch.Tensor  # the router's probabilities


class SwitchLayer(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.router = nn.Linear(dim, EXPERTS)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim)) for _ in range(EXPERTS))

    def forward(self, x):
        gates = self.router(x).softmax(dim=-1)
        weight, chosen = gates.max(dim=-1)
        y = torch.zeros_like(x)
        for e, expert in enumerate(self.experts):
            rows = (chosen == e).nonzero().squeeze(1)
            if rows.numel():
                y = y.index_add(0, rows, expert(x[rows]) * weight[rows, None])
        return y, gates


class SwitchNet(nn.Module):
    def __init__(self, dim=32, hidden=48):
        super().__init__()
        self.inp = nn.Linear(FEATURES, dim)
        self.norm1, self.moe = nn.LayerNorm(dim), SwitchLayer(dim, hidden)
        self.norm2, self.head = nn.LayerNorm(dim), nn.Linear(dim, CLASSES)

    def forward(self, x):
        h = self.inp(x)
        y, gates = self.moe(self.norm1(h))
        h = h + y
        return Output(self.head(self.norm2(h)), gates)


def build_model():
    return SwitchNet()


def load_raw(seed=0, n=3000):
    """The quadrant of the first two features picks which linear rule labels the other eight."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, FEATURES, generator=g)
    quadrant = 2 * (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    rules = torch.randn(4, FEATURES - 2, CLASSES, generator=g)
    score = torch.einsum("nf,nfc->nc", x[:, 2:], rules[quadrant])
    return x, score.argmax(dim=-1)


def make_splits(raw=None, seed=0):
    x, y = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    tr, va, te = perm[:2200], perm[2200:2500], perm[2500:]
    return {k: TensorDataset(x[i], y[i]) for k, i in (("train", tr), ("val", va), ("test", te))}


def model_inputs(batch):
    return (batch[0],)


def load_balance(gates):
    """E * sum_e (share of items sent to e) * (mean probability of e); 1 when uniform."""
    share = F.one_hot(gates.argmax(dim=-1), gates.shape[-1]).to(gates.dtype).mean(dim=0)
    return gates.shape[-1] * (share * gates.mean(dim=0)).sum()


def compute_loss(out, batch):
    logits, gates = out
    return F.cross_entropy(logits, batch[1]) + BALANCE * load_balance(gates)


def train(model, splits, steps=350, batch_size=100, lr=5e-3):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.02)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=lr, total_steps=steps)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    history = []
    model.train()
    while len(history) < steps:
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
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Accuracy."""
    model.eval()
    hits = 0
    for batch in DataLoader(dataset, batch_size=250):
        hits += (model(*model_inputs(batch)).logits.argmax(dim=-1) == batch[1]).sum().item()
    return hits / len(dataset)


def run(model, splits, steps=350):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    net, data = build_model(), make_splits()
    print("accuracy", run(net, data)["test"])
    with torch.no_grad():
        print("share of each expert", torch.bincount(net(data["test"].tensors[0]).gates.argmax(-1), minlength=EXPERTS) / 500)
