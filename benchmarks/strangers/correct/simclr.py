"""SimCLR (Chen et al. 2020): two augmented views of every picture should be close, all others far (NT-Xent).

The views are augmented independently. Evaluation throws the projection head away and classifies clean pictures by their
nearest neighbours among the clean training pictures, in the space of the backbone.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

SIDE, CLASSES, DIM = 20, 5, 24
TEMPERATURE, NEIGHBOURS = 0.2, 7
VIEW = {"shape": ["B", 3, SIDE, SIDE], "dtype": "float32", "low": 0, "high": 1}
META = {
    "name": "simclr", "task": "contrastive",
    "inputs": [{"name": "first", **VIEW}, {"name": "second", **VIEW}],
    "batch": [
        {"name": "first", **VIEW}, {"name": "second", **VIEW},
        {"name": "label", "shape": ["B"], "dtype": "int64", "low": 0, "high": CLASSES},
    ],
    "output_shape": [["B", DIM], ["B", DIM]], "oracle": None, "causal": False,
    "claims": {"unit_norm": True, "symmetric_loss": True},
}


class SimCLR(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1), nn.GroupNorm(4, width), nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.GroupNorm(4, 2 * width), nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.GroupNorm(4, 2 * width), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )
        self.projector = nn.Sequential(nn.Linear(2 * width, 2 * width), nn.ReLU(), nn.Linear(2 * width, DIM))

    def features(self, image):
        return self.backbone(image - 0.5)

    def forward(self, first, second):
        z1, z2 = self.projector(self.features(first)), self.projector(self.features(second))
        return F.normalize(z1, dim=1), F.normalize(z2, dim=1)


def build_model():
    return SimCLR()


def load_raw(seed=0):
    """Disc, ring, square, cross or stripes in a random colour, place and size on a noisy ground."""
    g = torch.Generator().manual_seed(seed)
    n = 900
    label = torch.randint(0, CLASSES, (n,), generator=g)
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
    place = 0.5 * (torch.rand(n, 2, 1, 1, generator=g) - 0.5)
    dx, dy = x - place[:, 0], y - place[:, 1]
    size = 0.45 + 0.25 * torch.rand(n, 1, 1, generator=g)
    r = (dx ** 2 + dy ** 2).sqrt()
    square = (dx.abs() < size) & (dy.abs() < size)
    cross = ((dx.abs() < size / 4) | (dy.abs() < size / 4)) & square
    shapes = torch.stack([r < size, (r < size) & (r > 0.6 * size), square, cross, (torch.sin(14 * dy) > 0) & square])
    shape = shapes[label, torch.arange(n)].float()[:, None]
    ink, ground = torch.rand(n, 3, 1, 1, generator=g), 0.4 * torch.rand(n, 3, 1, 1, generator=g)
    image = ground + shape * (0.4 + 0.5 * ink - ground) + 0.03 * torch.randn(n, 3, SIDE, SIDE, generator=g)
    return image.clamp(0, 1), label


def augment(image, generator=None):
    """Random shift by up to 3 pixels, mirror, brightness, contrast, channel order and noise of one picture."""
    def uniform(low, high):
        return low + (high - low) * torch.rand((), generator=generator)

    padded = F.pad(image[None], (3, 3, 3, 3), mode="replicate")[0]
    top, left = torch.randint(0, 7, (2,), generator=generator).tolist()
    view = padded[:, top:top + SIDE, left:left + SIDE]
    if uniform(0, 1) < 0.5:
        view = view.flip(-1)
    view = view[torch.randperm(3, generator=generator)]
    view = (view - view.mean()) * uniform(0.6, 1.4) + view.mean() + uniform(-0.15, 0.15)
    return (view + 0.03 * torch.randn(view.shape, generator=generator)).clamp(0, 1)


class Views(Dataset):
    """Two views and the label; `image` and `label` hold the clean pictures. The label is not used in training."""

    def __init__(self, image, label, fixed):
        self.image, self.label, self.fixed = image, label, fixed

    def __len__(self):
        return len(self.label)

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index) if self.fixed else None
        image = self.image[index]
        return augment(image, generator), augment(image, generator), self.label[index]


def make_splits(raw=None, seed=0):
    image, label = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(label), generator=torch.Generator().manual_seed(seed))
    rows = {"train": order[:600], "val": order[600:720], "test": order[720:]}
    splits = {name: Views(image[r], label[r], fixed=name != "train") for name, r in rows.items()}
    for part in splits.values():
        part.bank = (splits["train"].image, splits["train"].label)
    return splits


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    """NT-Xent: each of the 2B views has one positive, its partner, and 2B - 2 negatives."""
    z = torch.cat(out)
    b = len(z) // 2
    logits = z @ z.T / TEMPERATURE
    logits = logits.masked_fill(torch.eye(2 * b, dtype=torch.bool), float("-inf"))
    partner = torch.arange(2 * b).roll(b)
    return F.cross_entropy(logits, partner)


def train(model, splits, steps=150, batch_size=64, lr=3e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=1e-5)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=steps)
    history = []
    model.train()
    while len(history) < steps:
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Accuracy of a vote of the nearest training pictures by cosine similarity of backbone features."""
    model.eval()
    images, labels = dataset.bank
    bank = F.normalize(model.features(images), dim=1)
    query = F.normalize(model.features(dataset.image), dim=1)
    nearest = (query @ bank.T).topk(NEIGHBOURS, dim=1).indices
    votes = F.one_hot(labels[nearest], CLASSES).sum(dim=1)
    return (votes.argmax(dim=1) == dataset.label).float().mean().item()


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    net, parts = build_model(), make_splits()
    print("before", evaluate(net, parts["test"]))
    result = run(net, parts)
    print(result["history"][0], result["history"][-1], result["test"])
