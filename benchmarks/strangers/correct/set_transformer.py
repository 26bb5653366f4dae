"""Set Transformer (Lee et al. 2019): how many clusters does a set of points have?

ISAB encoder, pooling by multihead attention (PMA), classifier. The answer does not depend on the order of the points,
and padded points have no influence.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

POINTS, COUNTS = 24, 4
META = {
    "name": "set_transformer", "task": "classification",
    "inputs": [
        {"name": "points", "shape": ["B", POINTS, 2], "dtype": "float32"},
        {"name": "present", "shape": ["B", POINTS], "dtype": "bool", "role": "padding_mask"},
    ],
    "target": {"name": "count", "shape": ["B"], "dtype": "int64", "low": 0, "high": COUNTS},
    "output_shape": ["B", COUNTS], "oracle": "onehot", "causal": False,
    "node_permutation_invariant": True, "claims": {"attn_scale": 12 ** -0.5},
}


class MAB(nn.Module):
    """Multihead attention block: H = LN(Q + attention(Q, K, K)), output LN(H + relu(Linear(H)))."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.width = heads, dim // heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.ff = nn.Linear(dim, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, self.width).transpose(1, 2)

    def forward(self, query, memory, mask=None):
        q, k, v = self.split(self.q(query)), self.split(self.k(memory)), self.split(self.v(memory))
        scores = q @ k.transpose(-1, -2) / self.width ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], torch.finfo(scores.dtype).min)
        mixed = (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
        h = self.norm1(query + self.o(mixed))
        return self.norm2(h + F.relu(self.ff(h)))


class ISAB(nn.Module):
    """Induced set attention: the set is read by `inducing` learned points, which the set reads in turn."""

    def __init__(self, dim, heads, inducing):
        super().__init__()
        self.points = nn.Parameter(torch.randn(1, inducing, dim) * 0.5)
        self.read, self.write = MAB(dim, heads), MAB(dim, heads)

    def forward(self, x, mask):
        induced = self.read(self.points.expand(x.shape[0], -1, -1), x, mask)
        return self.write(x, induced)


class SetTransformer(nn.Module):
    def __init__(self, dim=48, heads=4, inducing=8):
        super().__init__()
        self.embed = nn.Linear(2, dim)
        self.encoder = nn.ModuleList([ISAB(dim, heads, inducing) for _ in range(2)])
        self.seed = nn.Parameter(torch.randn(1, 1, dim) * 0.5)
        self.pre_pool = nn.Sequential(nn.Linear(dim, dim), nn.ReLU())
        self.pool = MAB(dim, heads)
        self.head = nn.Linear(dim, COUNTS)

    def forward(self, points, present):
        x = self.embed(points)
        for block in self.encoder:
            x = block(x, present)
        pooled = self.pool(self.seed.expand(x.shape[0], -1, -1), self.pre_pool(x), present)
        return self.head(pooled[:, 0])


def build_model():
    return SetTransformer()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 1600
    count = torch.randint(0, COUNTS, (n,), generator=g)
    angle = 6.2832 * (torch.rand(n, 1, generator=g) + torch.arange(COUNTS)[None] / (count[:, None] + 1))
    centers = 2.0 * torch.stack([angle.cos(), angle.sin()], dim=2) + 0.3 * torch.randn(n, COUNTS, 2, generator=g)
    which = torch.randint(0, 1000, (n, POINTS), generator=g) % (count[:, None] + 1)
    points = centers.gather(1, which[..., None].expand(-1, -1, 2)) + 0.25 * torch.randn(n, POINTS, 2, generator=g)
    size = torch.randint(12, POINTS + 1, (n,), generator=g)
    present = torch.arange(POINTS)[None] < size[:, None]
    return points * present[..., None], present, count


def make_splits(raw=None, seed=0):
    points, present, count = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(count), generator=torch.Generator().manual_seed(seed))
    parts = {"train": order[:1200], "val": order[1200:1400], "test": order[1400:]}
    return {name: TensorDataset(points[i], present[i], count[i]) for name, i in parts.items()}


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[2])


def turn(points):
    """Turn every set about the origin by an angle of its own."""
    angle = 6.2832 * torch.rand(len(points))
    c, s = angle.cos(), angle.sin()
    rotation = torch.stack([torch.stack([c, -s], dim=1), torch.stack([s, c], dim=1)], dim=1)
    return points @ rotation.transpose(1, 2)


def train(model, splits, steps=200, batch_size=60, lr=2e-3):
    params = list(model.parameters())
    opt = torch.optim.AdamW(params, lr=lr, weight_decay=1e-2)
    per_epoch = len(splits["train"]) // batch_size
    sched = torch.optim.lr_scheduler.StepLR(opt, step_size=max(1, steps // per_epoch // 3), gamma=0.5)
    history = []
    while len(history) < steps:
        model.train()
        for points, present, count in DataLoader(splits["train"], batch_size, shuffle=True, drop_last=True):
            batch = (turn(points), present, count)
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
        sched.step()  # once an epoch
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Share of sets whose number of clusters is right."""
    model.eval()
    right = 0
    for batch in DataLoader(dataset, batch_size=64):
        right += (model(*model_inputs(batch)).argmax(dim=1) == batch[2]).sum().item()
    return right / len(dataset)


def run(model, splits, steps=200):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print(result["history"][0], result["history"][-1], result["test"])
