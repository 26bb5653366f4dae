"""Prototypical network: five-way five-shot episodes, classes of the test episodes are never trained on."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

WAYS, SHOTS, QUERIES, FEATURES = 5, 5, 15, 24

META = {
    "name": "protonet", "task": "classification", "num_classes": WAYS,
    "inputs": [
        {"name": "support", "shape": ["B", WAYS, SHOTS, FEATURES], "dtype": "float32"},
        {"name": "query", "shape": ["B", QUERIES, FEATURES], "dtype": "float32"},
    ],
    "target": {"shape": ["B", QUERIES], "dtype": "int64", "high": WAYS},
    "output_shape": ["B", QUERIES, WAYS], "oracle": "onehot_last", "causal": False, "claims": {},
}


class ProtoNet(nn.Module):
    def __init__(self, hidden=64, dim=16):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(FEATURES, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, dim)
        )

    def forward(self, support, query):
        """Logits are minus the squared distances of each query to the mean of each class."""
        prototypes = self.encoder(support).mean(dim=2)
        q = self.encoder(query)
        distance = (q[:, :, None] - prototypes[:, None]).pow(2).sum(dim=-1)
        return -distance


def build_model():
    return ProtoNet()


class Episodes(Dataset):
    """Draws episodes from the rows of the given classes; fixed=True gives the same ones each time."""

    def __init__(self, x, classes, count, fixed, seed):
        self.x, self.classes, self.count, self.fixed, self.seed = x, classes, count, fixed, seed
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        g = self.generator
        if self.fixed:
            g = torch.Generator().manual_seed(self.seed + index)
        chosen = self.classes[torch.randperm(len(self.classes), generator=g)[:WAYS]]
        support, query = [], []
        per_class = QUERIES // WAYS
        for c in chosen:
            rows = torch.randperm(self.x.shape[1], generator=g)[: SHOTS + per_class]
            support.append(self.x[c, rows[:SHOTS]])
            query.append(self.x[c, rows[SHOTS:]])
        label = torch.arange(WAYS).repeat_interleave(per_class)
        mix = torch.randperm(QUERIES, generator=g)
        return torch.stack(support), torch.cat(query)[mix], label[mix]


def load_raw(seed=0):
    """(classes, rows, features): a class is a point in a 5-dimensional space, seen through a curved map with nuisance."""
    g = torch.Generator().manual_seed(seed)
    classes, rows = 60, 30
    centre = 1.4 * torch.randn(classes, 1, 5, generator=g)
    z = torch.cat([centre + 0.5 * torch.randn(classes, rows, 5, generator=g), 2.5 * torch.randn(classes, rows, 6, generator=g)], dim=-1)
    x = torch.tanh(0.4 * z @ torch.randn(11, FEATURES, generator=g)) + 0.05 * torch.randn(classes, rows, FEATURES, generator=g)
    return (x * torch.logspace(-1, 1, FEATURES),)


def make_splits(raw=None, seed=0):
    (x,) = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    train, val, test = order[:40], order[40:50], order[50:]
    x = (x - x[train].mean(dim=(0, 1))) / x[train].std(dim=(0, 1))
    return {
        "train": Episodes(x, train, 400, fixed=False, seed=seed),
        "val": Episodes(x, val, 60, fixed=True, seed=10_000),
        "test": Episodes(x, test, 120, fixed=True, seed=20_000),
    }


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[2].flatten())


def train(model, splits, steps=200, batch_size=8, lr=2e-3, eval_every=50):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    halve = torch.optim.lr_scheduler.StepLR(opt, step_size=max(1, steps // 3), gamma=0.5)
    loader = DataLoader(splits["train"], batch_size=batch_size)
    best, kept, history = -1.0, None, []
    it = iter(loader)
    for step in range(1, steps + 1):
        model.train()
        try:
            batch = next(it)
        except StopIteration:
            it = iter(loader)
            batch = next(it)
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        halve.step()
        history.append(loss.item())
        if step % eval_every == 0 or step == steps:
            accuracy = evaluate(model, splits["val"])
            if accuracy > best:
                best, kept = accuracy, {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(kept)
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=20):
    """Mean accuracy of the queries over all episodes."""
    model.eval()
    right = total = 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        guess = model(*model_inputs(batch)).argmax(dim=-1)
        right += (guess == batch[2]).sum().item()
        total += batch[2].numel()
    return right / total


def run(model, splits, steps=200):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "episode accuracy", result["test"])
