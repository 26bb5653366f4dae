"""GIN that regresses a property of small molecules from padded graphs; several conformers of each molecule."""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

NODES, ATOMS, CONFORMERS = 10, 6, 4
META = {
    "name": "molecules", "task": "regression",
    "inputs": [
        {"name": "nodes", "shape": ["B", NODES, ATOMS], "dtype": "float32"},
        {"name": "adj", "shape": ["B", NODES, NODES], "dtype": "float32", "role": "adjacency"},
        {"name": "mask", "shape": ["B", NODES], "dtype": "bool", "role": "padding_mask"},
    ],
    "target": {"shape": ["B"], "dtype": "float32"},
    "output_shape": ["B"], "oracle": "regression", "causal": False, "node_permutation_invariant": True,
    "claims": {},
}


class GINLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(()))
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))
        self.norm = nn.LayerNorm(dim)

    def forward(self, h, adj, mask):
        gathered = torch.bmm(adj, h)
        h = h + self.mlp(self.norm((1 + self.eps) * h + gathered))
        return h * mask.unsqueeze(-1)


class GIN(nn.Module):
    def __init__(self, dim=24, depth=3):
        super().__init__()
        self.embed = nn.Linear(ATOMS, dim)
        self.layers = nn.ModuleList([GINLayer(dim) for _ in range(depth)])
        self.readout = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1))

    def forward(self, nodes, adj, mask):
        keep = mask.float()
        adj = adj * keep.unsqueeze(1) * keep.unsqueeze(2)
        h = self.embed(nodes) * keep.unsqueeze(-1)
        for layer in self.layers:
            h = layer(h, adj, mask)
        pooled = h.sum(1) / keep.sum(1, keepdim=True).clamp(min=1)
        return self.readout(pooled).squeeze(-1)


def build_model():
    return GIN()


def load_raw(seed=0):
    """Noisy conformers, one after another, of 70 molecules: features, bonds, mask, energy, molecule."""
    g = torch.Generator().manual_seed(seed)
    kinds = 70
    size = torch.randint(5, NODES + 1, (kinds,), generator=g)
    mask = torch.arange(NODES) < size.unsqueeze(1)
    atom = torch.randint(ATOMS, (kinds, NODES), generator=g)
    bond = torch.rand(kinds, NODES, NODES, generator=g) < 0.25
    bond = torch.triu(bond, diagonal=1)
    bond = (bond | bond.transpose(1, 2)) & mask.unsqueeze(1) & mask.unsqueeze(2)
    weight = torch.randn(ATOMS, generator=g)
    per_atom = weight[atom] * mask
    pair = (per_atom.unsqueeze(1) * bond).sum(2)
    energy = 40 + 15 * ((per_atom + 0.5 * pair).sum(1) / size)
    molecule = torch.arange(kinds).repeat_interleave(CONFORMERS)
    nodes = nn.functional.one_hot(atom, ATOMS).float()[molecule]
    nodes = (nodes + 0.1 * torch.randn(nodes.shape, generator=g)) * mask[molecule].unsqueeze(-1)
    energy = energy[molecule] + 0.5 * torch.randn(len(molecule), generator=g)
    return nodes, bond.float()[molecule], mask[molecule], energy, molecule


def make_splits(raw=None, seed=0):
    nodes, adj, mask, energy, molecule = load_raw(seed) if raw is None else raw
    ids = torch.unique(molecule)
    ids = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed + 1))]
    cut = int(0.7 * len(ids)), int(0.85 * len(ids))
    parts = {"train": ids[:cut[0]], "val": ids[cut[0]:cut[1]], "test": ids[cut[1]:]}
    rows = {k: torch.isin(molecule, v).nonzero().squeeze(1) for k, v in parts.items()}
    mean, std = energy[rows["train"]].mean(), energy[rows["train"]].std()
    target = (energy - mean) / std
    splits = {k: TensorDataset(nodes[i], adj[i], mask[i], target[i]) for k, i in rows.items()}
    for part in splits.values():
        part.scale = std.item()
    return splits


def model_inputs(batch):
    return batch[0], batch[1], batch[2]


def compute_loss(out, batch):
    return nn.functional.mse_loss(out, batch[3])


def train(model, splits, steps=80, batch_size=28, lr=3e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    history, best, best_state = [], float("inf"), None
    while len(history) < steps:
        model.train()
        for batch in loader:
            opt.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
        score = evaluate(model, splits["val"])
        if score < best:
            best = score
            best_state = {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(best_state)
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=16):
    """Mean absolute error in the property's own unit."""
    model.eval()
    error, count = 0.0, 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        out = model(*model_inputs(batch))
        error += (out - batch[3]).abs().sum().item()
        count += len(out)
    return error / count * dataset.scale


def run(model, splits, steps=80):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
