"""SimCLR on tiny stroke images: two random views, shared encoder and projection head, NT-Xent; scored by retrieval."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

SIDE, EMBED, TEMPERATURE = 16, 32, 0.2

META = {
    "name": "simclr", "task": "contrastive",
    "inputs": [
        {"name": "view_a", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"},
        {"name": "view_b", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"},
    ],
    "batch": [
        {"name": "view_a", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"},
        {"name": "view_b", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"},
    ],
    "output_shape": [["B", EMBED], ["B", EMBED]], "oracle": None, "causal": False,
    "claims": {"params": 49120, "mflops": 1.061, "unit_norm": True, "symmetric_loss": True},
}


class SimCLR(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(1, width, 3, stride=2, padding=1), nn.GroupNorm(4, width), nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.GroupNorm(4, 2 * width), nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.GroupNorm(4, 2 * width), nn.ReLU(),
            nn.Flatten(),
        )
        self.projector = nn.Sequential(nn.Linear(2 * width * (SIDE // 4) ** 2, 64), nn.ReLU(), nn.Linear(64, EMBED))

    def embed(self, view):
        return F.normalize(self.projector(self.backbone(view)), dim=-1)

    def forward(self, view_a, view_b):
        return self.embed(view_a), self.embed(view_b)


def build_model():
    return SimCLR()


def augment(image, g=None):
    """Shift by up to two pixels, rescale the contrast, flip its sign half of the time, erase a patch, add noise."""
    dy, dx, cy, cx = torch.randint(0, 5, (4,), generator=g).tolist()
    view = F.pad(image, (2, 2, 2, 2))[:, dy: dy + SIDE, dx: dx + SIDE].clone()
    contrast, sign = torch.rand(2, generator=g).tolist()
    view *= (0.6 + 0.8 * contrast) * (1 if sign < 0.5 else -1)
    view[:, 2 + 2 * cy: 6 + 2 * cy, 2 + 2 * cx: 6 + 2 * cx] = 0.0
    return view + 0.15 * torch.randn(view.shape, generator=g)


class TwoViews(Dataset):
    """Two views of each image; drawn afresh at each access, or once and for all when seeded."""

    def __init__(self, images, seed=None):
        self.images, self.views = images, None
        if seed is not None:
            g = torch.Generator().manual_seed(seed)
            self.views = [(augment(im, g), augment(im, g)) for im in images]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        if self.views is not None:
            return self.views[i]
        return augment(self.images[i]), augment(self.images[i])


def load_raw(seed=0, n=600):
    """Each image is three soft strokes at random places and angles."""
    g = torch.Generator().manual_seed(seed)
    yy, xx = torch.meshgrid(torch.arange(float(SIDE)), torch.arange(float(SIDE)), indexing="ij")
    image = torch.zeros(n, SIDE, SIDE)
    for _ in range(3):
        cy, cx = (3 + (SIDE - 6) * torch.rand(n, 1, 1, generator=g) for _ in range(2))
        a = math.pi * torch.rand(n, 1, 1, generator=g)
        along = (xx - cx) * a.cos() + (yy - cy) * a.sin()
        across = (yy - cy) * a.cos() - (xx - cx) * a.sin()
        image = image + torch.exp(-(along / 3.5) ** 2 - (across / 0.9) ** 2)
    return (image[:, None],)


def make_splits(raw=None, seed=0):
    (images,) = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed + 1))
    tr, va, te = perm[:400], perm[400:500], perm[500:]
    images = (images - images[tr].mean()) / images[tr].std()
    return {"train": TwoViews(images[tr]), "val": TwoViews(images[va], seed + 2), "test": TwoViews(images[te], seed + 3)}


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    """NT-Xent: each of the 2B views must pick its partner among the other 2B - 1."""
    z = torch.cat(out, dim=0)
    n = len(z) // 2
    sim = z @ z.T / TEMPERATURE
    sim = sim.masked_fill(torch.eye(2 * n, dtype=torch.bool, device=z.device), float("-inf"))
    partner = torch.arange(2 * n, device=z.device).roll(n)
    return F.cross_entropy(sim, partner)


def train(model, splits, steps=150, batch_size=64, lr=2e-3):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-4)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=steps)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True,
                        drop_last=len(splits["train"]) > batch_size)
    history = []
    model.train()
    while len(history) < steps:
        for batch in loader:
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            cosine.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Top-1 retrieval of an image's other view among all images of the set, both directions averaged."""
    model.eval()
    za, zb = (torch.cat(z) for z in zip(*(model(*model_inputs(b)) for b in DataLoader(dataset, batch_size=50))))
    sim, own = za @ zb.T, torch.arange(len(za))
    forward, backward = (sim.argmax(1) == own).float().mean(), (sim.argmax(0) == own).float().mean()
    return (0.5 * (forward + backward)).item()


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    net, data = build_model(), make_splits()
    print("untrained", evaluate(net, data["test"]), "trained", run(net, data)["test"])
