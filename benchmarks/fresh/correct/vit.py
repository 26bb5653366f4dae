"""Vision transformer: which quadrant of a noisy picture holds the ring (the other three hold crosses)?"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

SIZE, PATCH, CLASSES, DIM, HEADS, DEPTH = 16, 4, 4, 32, 4, 2
META = {
    "name": "vit", "task": "classification", "num_classes": CLASSES,
    "inputs": [{"name": "image", "shape": ["B", 1, SIZE, SIZE], "dtype": "float32"}],
    "target": {"name": "quadrant", "shape": ["B"], "dtype": "int64", "low": 0, "high": CLASSES},
    "output_shape": ["B", CLASSES], "oracle": "onehot", "causal": False, "positional": f"patches:{PATCH}",
    "claims": {"params": 18404, "norm": "pre", "residual_adds": 2 * DEPTH,
               "attn_scale": (DIM // HEADS) ** -0.5, "readout": 0},
}


class PatchEmbedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.grid = SIZE // PATCH
        self.proj = nn.Linear(PATCH * PATCH, DIM)
        self.cls = nn.Parameter(torch.zeros(1, 1, DIM))
        self.pos = nn.Parameter(0.2 * torch.randn(1, self.grid ** 2 + 1, DIM))

    def forward(self, image):
        b = image.shape[0]
        x = image.reshape(b, self.grid, PATCH, self.grid, PATCH)
        x = x.permute(0, 1, 3, 2, 4)  # (B, rows, cols, PATCH, PATCH)
        x = self.proj(x.reshape(b, self.grid ** 2, PATCH * PATCH))
        x = torch.cat([self.cls.expand(b, -1, -1), x], dim=1)
        return x + self.pos


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(DIM, 3 * DIM)
        self.out = nn.Linear(DIM, DIM)
        self.scale = (DIM // HEADS) ** -0.5

    def forward(self, x):
        b, n, _ = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1)) * self.scale
        weights = scores.softmax(dim=-1)
        mixed = (weights @ v).transpose(1, 2).reshape(b, n, DIM)
        return self.out(mixed)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.attn = Attention()
        self.mlp = nn.Sequential(nn.Linear(DIM, 2 * DIM), nn.GELU(), nn.Linear(2 * DIM, DIM))

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = PatchEmbedding()
        self.blocks = nn.ModuleList([Block() for _ in range(DEPTH)])
        self.norm = nn.LayerNorm(DIM)
        self.head = nn.Linear(DIM, CLASSES)

    def forward(self, image):
        x = self.embed(image)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def build_model():
    return ViT()


def load_raw(seed=0):
    rng = torch.Generator().manual_seed(seed)
    ring = torch.tensor([[0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]]).float()
    cross = torch.tensor([[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]]).float()
    n = 900
    images = 60 + 12 * torch.randn(n, 1, SIZE, SIZE, generator=rng)  # grey levels as a camera gives them
    labels = torch.randint(0, CLASSES, (n,), generator=rng)
    shifts = 4 * torch.randint(0, 2, (n, 4, 2), generator=rng)
    for i in range(n):
        for quadrant in range(4):
            top = 8 * (quadrant // 2) + int(shifts[i, quadrant, 0])
            left = 8 * (quadrant % 2) + int(shifts[i, quadrant, 1])
            glyph = ring if quadrant == labels[i] else cross
            images[i, 0, top:top + 4, left:left + 4] += 90 * glyph
    return images.clamp(0, 255), labels


def make_splits(raw=None, seed=0):
    images, labels = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed + 100))
    train_idx, val_idx, test_idx = order[:600], order[600:700], order[700:]
    mean, std = images[train_idx].mean(), images[train_idx].std()
    images = (images - mean) / std
    return {name: TensorDataset(images[idx], labels[idx])
            for name, idx in (("train", train_idx), ("val", val_idx), ("test", test_idx))}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[1], label_smoothing=0.1)


def warmup_cosine(step, warmup, total):
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


def train(model, splits, steps=200, batch_size=50, lr=2e-3):
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    warmup = max(1, steps // 10)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: warmup_cosine(s, warmup, max(steps, warmup + 1)))
    losses = []
    while len(losses) < steps:
        model.train()
        for batch in loader:
            loss = compute_loss(model(*model_inputs(batch)), batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
    return losses


@torch.no_grad()
def evaluate(model, dataset):
    """Accuracy over the whole data set."""
    model.eval()
    correct = total = 0
    for batch in DataLoader(dataset, batch_size=64):
        pred = model(*model_inputs(batch)).argmax(dim=-1)
        correct += (pred == batch[1]).sum().item()
        total += len(pred)
    return correct / total


def run(model, splits, steps=200):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test accuracy", result["test"])
