"""Graph isomorphism network on small molecules: regress an energy that is a sum over atoms and bonds."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

ATOMS, ELEMENTS = 12, 4
META = {
    "name": "molecule", "task": "regression",
    "inputs": [
        {"name": "element", "shape": ["B", ATOMS], "dtype": "int64", "low": 0, "high": ELEMENTS},
        {"name": "bonds", "shape": ["B", ATOMS, ATOMS], "dtype": "float32", "low": 0, "high": 1, "role": "adjacency"},
        {"name": "present", "shape": ["B", ATOMS], "dtype": "bool", "role": "padding_mask"},
    ],
    "target": {"name": "energy", "shape": ["B"], "dtype": "float32"},
    "output_shape": ["B"], "oracle": "regression", "causal": False, "node_permutation_invariant": True, "claims": {},
}


class GINLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.eps = nn.Parameter(torch.zeros(()))
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))
        self.norm = nn.LayerNorm(dim)

    def forward(self, h, bonds):
        neighbours = torch.einsum("bij,bjd->bid", bonds, h)
        return self.norm(F.relu(self.mlp((1 + self.eps) * h + neighbours)))


class EnergyNet(nn.Module):
    def __init__(self, dim=40, layers=3):
        super().__init__()
        self.embed = nn.Embedding(ELEMENTS, dim)
        self.layers = nn.ModuleList([GINLayer(dim) for _ in range(layers)])
        self.readout = nn.Sequential(nn.Linear((layers + 1) * dim, dim), nn.ReLU(), nn.Linear(dim, 1))

    def forward(self, element, bonds, present):
        pair = present[:, :, None] & present[:, None, :]
        bonds = bonds * pair
        h = self.embed(element)
        levels = [h]
        for layer in self.layers:
            h = layer(h, bonds)
            levels.append(h)
        per_atom = self.readout(torch.cat(levels, dim=-1)).squeeze(-1)  # (B, ATOMS)
        return (per_atom * present).sum(dim=1)  # an energy is extensive: atoms add up


def build_model():
    return EnergyNet()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 700
    own = torch.tensor([-4.0, -1.0, 2.0, 5.0])
    between = torch.randn(ELEMENTS, ELEMENTS, generator=g)
    between = 3 * (between + between.T)
    element = torch.randint(0, ELEMENTS, (n, ATOMS), generator=g)
    bonds, present = torch.zeros(n, ATOMS, ATOMS), torch.zeros(n, ATOMS, dtype=torch.bool)
    energy = torch.zeros(n)
    for i in range(n):
        size = int(torch.randint(4, ATOMS + 1, (1,), generator=g))
        present[i, :size] = True
        for atom in range(1, size):  # a random tree, then two rings
            other = int(torch.randint(0, atom, (1,), generator=g))
            bonds[i, atom, other] = bonds[i, other, atom] = 1
        for _ in range(2):
            a, b = torch.randint(0, size, (2,), generator=g).tolist()
            if a != b:
                bonds[i, a, b] = bonds[i, b, a] = 1
        kinds = element[i]
        energy[i] = own[kinds[:size]].sum() + 0.5 * (bonds[i] * between[kinds][:, kinds]).sum()
    element = element * present
    return element, bonds, present, energy - 120.0 + 0.5 * torch.randn(n, generator=g)


class Standardizer:
    """Keeps the training targets' mean and spread; the network works in these units."""

    def __init__(self, values):
        self.mean, self.std = values.mean(), values.std()

    def encode(self, values):
        return (values - self.mean) / self.std

    def decode(self, values):
        return values * self.std + self.mean


def make_splits(raw=None, seed=0):
    element, bonds, present, energy = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(energy), generator=torch.Generator().manual_seed(seed))
    rows = {"train": order[:500], "val": order[500:580], "test": order[580:]}
    scale = Standardizer(energy[rows["train"]])
    splits = {}
    for name, r in rows.items():
        splits[name] = TensorDataset(element[r], bonds[r], present[r], scale.encode(energy[r]))
        splits[name].scale = scale
    return splits


def model_inputs(batch):
    return batch[0], batch[1], batch[2]


def compute_loss(out, batch):
    return F.huber_loss(out, batch[3], delta=1.0)


def shuffle_atoms(batch):
    """The same molecule with its atoms in another order."""
    element, bonds, present, energy = batch
    p = torch.randperm(ATOMS)
    return element[:, p], bonds[:, p][:, :, p], present[:, p], energy


def train(model, splits, steps=200, batch_size=50, lr=5e-3):
    opt = torch.optim.RAdam(model.parameters(), lr=lr)
    epochs = -(-steps // (len(splits["train"]) // batch_size))
    sched = torch.optim.lr_scheduler.MultiStepLR(opt, milestones=[epochs // 2, 3 * epochs // 4], gamma=0.3)
    history = []
    for _ in range(epochs):
        model.train()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True):
            batch = shuffle_atoms(batch)
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
        sched.step()
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Mean absolute error in the units of the energy, kJ/mol."""
    model.eval()
    errors = []
    for batch in DataLoader(dataset, batch_size=32):
        predicted = dataset.scale.decode(model(*model_inputs(batch)))
        errors.append((predicted - dataset.scale.decode(batch[3])).abs())
    return torch.cat(errors).mean().item()


def run(model, splits, steps=200):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test MAE", result["test"])
