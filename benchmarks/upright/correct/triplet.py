"""Metric learning with batch-hard triplets, P x K batches, and retrieval on classes never seen in training."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Sampler, TensorDataset

META = {
    "name": "triplet", "task": "contrastive",
    "inputs": [{"name": "x", "shape": ["B", 40], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": 40},
    "output_shape": ["B", 12], "oracle": None,
    "causal": False,
    "claims": {"unit_norm": True, "params": 3532},
}
CLASSES, PER_CLASS, FEATURES = 40, 20, 40


class Encoder(nn.Module):
    """The shared tower of the siamese network; anchors, positives and negatives all pass through it."""

    def __init__(self, hidden=64, dim=12):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(FEATURES, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, x):
        return F.normalize(self.net(x), dim=-1)


def build_model():
    return Encoder()


def load_raw(seed=0):
    """x = class code (6 latent dimensions) + strong shared nuisances (6 dimensions), mixed, plus noise."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(CLASSES).repeat_interleave(PER_CLASS)
    code = torch.randn(CLASSES, 6, generator=g)[y] + 0.2 * torch.randn(len(y), 6, generator=g)
    nuisance = 2.5 * torch.randn(len(y), 6, generator=g)
    mix = torch.randn(12, FEATURES, generator=g) / 12 ** 0.5
    x = torch.cat([code, nuisance], dim=1) @ mix
    return x + 0.1 * torch.randn(x.shape, generator=g), y


def make_splits(raw=None, seed=0):
    """Split by class: 24 classes to train on, 8 to validate on and 8 to test on."""
    x, y = load_raw(seed) if raw is None else raw
    classes = torch.randperm(CLASSES, generator=torch.Generator().manual_seed(seed + 11))
    groups = {"train": classes[:24], "val": classes[24:32], "test": classes[32:]}
    rows = {k: torch.isin(y, c).nonzero().squeeze(1) for k, c in groups.items()}
    mean, std = x[rows["train"]].mean(0), x[rows["train"]].std(0)
    return {k: TensorDataset((x[r] - mean) / std, y[r]) for k, r in rows.items()}


class PKSampler(Sampler):
    """Batches of `p` classes with `k` examples of each."""

    def __init__(self, labels, p, k, batches):
        self.by_class = [(labels == c).nonzero().squeeze(1) for c in labels.unique()]
        self.p, self.k, self.batches = p, k, batches

    def __len__(self):
        return self.batches

    def __iter__(self):
        for _ in range(self.batches):
            chosen = torch.randperm(len(self.by_class))[: self.p].tolist()
            rows = [self.by_class[c][torch.randperm(len(self.by_class[c]))[: self.k]] for c in chosen]
            yield torch.cat(rows).tolist()


def model_inputs(batch):
    return (batch[0],)


def distances(a, b):
    # for unit vectors |a - b|^2 = 2 - 2 a.b ; the clamp keeps the root's gradient finite
    return (2 - 2 * a @ b.T).clamp(min=1e-6).sqrt()


def compute_loss(out, batch, margin=0.3):
    labels = batch[1]
    dist = distances(out, out)
    same = labels[:, None] == labels[None, :]
    self_pair = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive, negative = same & ~self_pair, ~same
    hardest_pos = dist.masked_fill(~positive, float("-inf")).amax(dim=1)
    hardest_neg = dist.masked_fill(~negative, float("inf")).amin(dim=1)
    usable = positive.any(1) & negative.any(1)
    if not usable.any():
        return 0.0 * out.sum()
    return F.relu(hardest_pos[usable] - hardest_neg[usable] + margin).mean()


def train(model, splits, steps=150, p=8, k=4, lr=3e-3):
    data = splits["train"]
    labels = torch.stack([row[1] for row in data])
    loader = DataLoader(data, batch_sampler=PKSampler(labels, p, k, batches=steps))
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-3)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps)
    history = []
    model.train()
    for batch in loader:
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        opt.step()
        sched.step()
        history.append(loss.item())
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """recall@1: is the nearest other example of the same class?"""
    model.eval()
    z, y = [], []
    for batch in DataLoader(dataset, batch_size=64):
        z.append(model(*model_inputs(batch)))
        y.append(batch[1])
    z, y = torch.cat(z), torch.cat(y)
    nearest = distances(z, z).fill_diagonal_(float("inf")).argmin(dim=1)
    return (y[nearest] == y).float().mean().item()


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    splits = make_splits()
    print("recall@1 of the raw features", evaluate(nn.Identity(), splits["test"]))
    print("recall@1 of the embedding", run(build_model(), splits)["test"])
