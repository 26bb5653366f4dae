"""Semi-supervised node classification on one graph (Kipf & Welling): labels outside a split's mask are -100."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

NODES, FEATURES, CLASSES, IGNORE = 280, 16, 4, -100

META = {
    "name": "gcn_nodes", "task": "tagging", "num_classes": CLASSES,
    "inputs": [
        {"name": "x", "shape": ["B", NODES, FEATURES], "dtype": "float32"},
        {"name": "adj", "shape": ["B", NODES, NODES], "dtype": "float32", "role": "adjacency"},
    ],
    "target": {"shape": ["B", NODES], "dtype": "int64", "high": CLASSES, "ignore": IGNORE},
    "output_shape": ["B", NODES, CLASSES], "oracle": "onehot_last", "causal": False,
    "claims": {"params": 508, "mflops": 4.659},
}


def propagation(adj):
    """D^-1/2 (A + I) D^-1/2"""
    a = adj + torch.eye(adj.shape[-1], device=adj.device, dtype=adj.dtype)
    d = a.sum(dim=-1).rsqrt()
    return d.unsqueeze(-1) * a * d.unsqueeze(-2)


class GCN(nn.Module):
    def __init__(self, hidden=24, dropout=0.4):
        super().__init__()
        self.w1, self.w2 = nn.Linear(FEATURES, hidden, bias=False), nn.Linear(hidden, CLASSES, bias=False)
        self.b1, self.b2 = nn.Parameter(torch.zeros(hidden)), nn.Parameter(torch.zeros(CLASSES))
        self.dropout = nn.Dropout(dropout)
        nn.init.xavier_uniform_(self.w1.weight)
        nn.init.xavier_uniform_(self.w2.weight)

    def forward(self, x, adj):
        p = propagation(adj)
        h = torch.relu(p @ self.w1(self.dropout(x)) + self.b1)
        return p @ self.w2(self.dropout(h)) + self.b2


def build_model():
    return GCN()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    y = (torch.arange(NODES) % CLASSES)[torch.randperm(NODES, generator=g)]
    same = y[:, None] == y[None, :]
    edge = torch.rand(NODES, NODES, generator=g) < torch.where(same, 0.07, 0.012)
    adj = edge.float().triu(1)
    centre = 0.45 * torch.randn(CLASSES, FEATURES, generator=g)
    return centre[y] + torch.randn(NODES, FEATURES, generator=g), adj + adj.T, y


def make_splits(raw=None, seed=0, per_class=12, n_val=70):
    """Transductive: every split holds the whole graph, and reveals the labels of its own nodes only."""
    x, adj, y = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed + 1))
    train_nodes = torch.cat([order[y[order] == c][:per_class] for c in range(CLASSES)])
    rest = order[~torch.isin(order, train_nodes)]
    x = (x - x[train_nodes].mean(0)) / x[train_nodes].std(0)
    splits = {}
    for name, nodes in (("train", train_nodes), ("val", rest[:n_val]), ("test", rest[n_val:])):
        shown = torch.full_like(y, IGNORE)
        shown[nodes] = y[nodes]
        splits[name] = TensorDataset(x[None], adj[None], shown[None])
    return splits


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[2].flatten(), ignore_index=IGNORE)


def train(model, splits, steps=150, lr=0.02):
    opt = torch.optim.Adam([{"params": model.w1.parameters(), "weight_decay": 5e-3},
                            {"params": [*model.w2.parameters(), model.b1, model.b2]}], lr=lr)
    (batch,) = DataLoader(splits["train"])  # full batch: the one graph
    history, best, kept = [], -1.0, None
    for step in range(steps):
        model.train()
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad()
        loss.backward()
        opt.step()
        history.append(loss.item())
        if step % 5 == 4 or step == steps - 1:
            score = evaluate(model, splits["val"])
            if score >= best:
                best, kept = score, {k: v.detach().clone() for k, v in model.state_dict().items()}
    if kept is not None:
        model.load_state_dict(kept)
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Accuracy over the nodes that the split reveals."""
    model.eval()
    right = seen = 0
    for batch in DataLoader(dataset):
        scored = batch[2] != IGNORE
        right += (model(*model_inputs(batch)).argmax(-1) == batch[2])[scored].sum().item()
        seen += scored.sum().item()
    return right / seen


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("test accuracy", run(build_model(), make_splits())["test"])
