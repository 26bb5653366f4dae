"""Graph classification with GIN message passing on padded dense batches and mean pooling over the real nodes."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "graph_gin", "task": "classification", "num_classes": 3,
    "inputs": [
        {"name": "x", "shape": ["B", 14, 5], "dtype": "float32"},
        {"name": "adj", "shape": ["B", 14, 14], "dtype": "float32", "role": "adjacency"},
        {"name": "mask", "shape": ["B", 14], "dtype": "bool", "role": "padding_mask"},
    ],
    "target": {"shape": ["B"], "dtype": "int64", "high": 3},
    "output_shape": ["B", 3], "oracle": "onehot",
    "causal": False, "node_permutation_invariant": True,
    "claims": {"params": 3510},
}
NODES, FEATURES, CLASSES = 14, 5, 3


class GINLayer(nn.Module):
    """h <- MLP((1 + eps) h + sum of the neighbours' h)"""

    def __init__(self, cin, cout):
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(()))
        self.mlp = nn.Sequential(nn.Linear(cin, cout), nn.LayerNorm(cout), nn.ReLU(), nn.Linear(cout, cout), nn.ReLU())

    def forward(self, h, adj):
        return self.mlp((1 + self.eps) * h + adj @ h)


class GIN(nn.Module):
    def __init__(self, hidden=24, depth=3):
        super().__init__()
        sizes = [FEATURES] + [hidden] * depth
        self.layers = nn.ModuleList(GINLayer(a, b) for a, b in zip(sizes, sizes[1:]))
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(hidden * depth, CLASSES))

    def forward(self, x, adj, mask):
        m = mask.unsqueeze(-1).float()
        adj = adj * m * m.transpose(1, 2)  # no message from or to padding
        count = m.sum(dim=1).clamp(min=1)
        h, pooled = x * m, []
        for layer in self.layers:
            h = layer(h, adj) * m
            pooled.append(h.sum(dim=1) / count)
        return self.head(torch.cat(pooled, dim=-1))


def build_model():
    return GIN()


def ring(n, rng):
    return [(i, (i + 1) % n) for i in range(n)]


def tree(n, rng):
    """random recursive tree"""
    return [(i, int(rng.integers(i))) for i in range(1, n)]


def two_cliques(n, rng):
    half = n // 2
    left = [(i, j) for i in range(half) for j in range(i) if rng.random() < 0.7]
    right = [(i, j) for i in range(half, n) for j in range(half, i) if rng.random() < 0.7]
    return left + right + [(0, half)]


def load_raw(seed=0):
    """Rings, trees and pairs of loose cliques with two random extra edges each, randomly numbered nodes."""
    rng = np.random.default_rng(seed)
    n = 420
    makers = (ring, tree, two_cliques)
    y = rng.permutation(np.arange(n) % CLASSES)
    x = rng.normal(size=(n, NODES, FEATURES)).astype(np.float32)
    x[:, :, 0] = 1.0  # a constant feature lets the sums count neighbours
    adj = np.zeros((n, NODES, NODES), dtype=np.float32)
    mask = np.zeros((n, NODES), dtype=bool)
    for k in range(n):
        size = int(rng.integers(8, NODES + 1))
        edges = makers[y[k]](size, rng)
        for _ in range(2):
            i, j = rng.choice(size, 2, replace=False)
            edges.append((int(i), int(j)))
        name = rng.permutation(size)
        for i, j in edges:
            adj[k, name[i], name[j]] = adj[k, name[j], name[i]] = 1.0
        mask[k, :size] = True
    x *= mask[:, :, None]
    return torch.from_numpy(x), torch.from_numpy(adj), torch.from_numpy(mask), torch.from_numpy(y)


def make_splits(raw=None, seed=0):
    data = load_raw(seed) if raw is None else raw
    n = len(data[0])
    perm = torch.from_numpy(np.random.default_rng(seed + 1).permutation(n))
    ends = (n * 6 // 10, n * 8 // 10)
    return {
        name: TensorDataset(*[t[rows] for t in data])
        for name, rows in zip(("train", "val", "test"), perm.tensor_split(ends))
    }


def model_inputs(batch):
    return batch[0], batch[1], batch[2]


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[-1])


def train(model, splits, steps=240, batch_size=32, lr=3e-3, eval_every=20, patience=5):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-2)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    val_loader = DataLoader(splits["val"], batch_size=64)
    history, best, best_state, bad = [], float("inf"), None, 0
    while len(history) < steps and bad < patience:
        for batch in loader:
            model.train()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) % eval_every == 0:
                model.eval()
                with torch.no_grad():
                    val = sum(compute_loss(model(*model_inputs(b)), b).item() * len(b[-1]) for b in val_loader)
                if val < best:
                    best, bad = val, 0
                    best_state = {k: v.clone() for k, v in model.state_dict().items()}
                else:
                    bad += 1
            if len(history) >= steps or bad >= patience:
                break
    if best_state is not None:
        model.load_state_dict(best_state)
    return history


@torch.no_grad()
def evaluate(model, dataset):
    model.eval()
    correct = total = 0
    for batch in DataLoader(dataset, batch_size=64):
        correct += (model(*model_inputs(batch)).argmax(dim=1) == batch[-1]).sum().item()
        total += len(batch[-1])
    return correct / total


def run(model, splits, steps=240):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("accuracy", run(build_model(), make_splits())["test"])
