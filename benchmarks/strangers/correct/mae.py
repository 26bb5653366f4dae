"""Masked autoencoder (He et al. 2022): hide 75 % of the patches, encode the rest, predict the hidden pixels.

The encoder sees visible patches only. The loss is the squared error on hidden patches, whose pixels are normalised patch
by patch. `noise` decides which patches are hidden (those with the largest values); training draws it anew each step.
"""
import math

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

SIDE, PATCH = 24, 4
GRID = SIDE // PATCH
COUNT, PIXELS, VISIBLE = GRID * GRID, PATCH * PATCH, 9
META = {
    "name": "mae", "task": "reconstruction",
    "inputs": [
        {"name": "image", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32", "low": 0, "high": 1},
        {"name": "noise", "shape": ["B", COUNT], "dtype": "float32", "low": 0, "high": 1},
    ],
    "batch": [
        {"name": "image", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32", "low": 0, "high": 1},
        {"name": "noise", "shape": ["B", COUNT], "dtype": "float32", "low": 0, "high": 1},
    ],
    "target": {"name": "image", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32", "low": 0, "high": 1},
    "output_shape": [["B", COUNT, PIXELS], ["B", COUNT]], "oracle": None, "causal": False, "claims": {"norm": "pre"},
}


def patchify(image):
    b = image.shape[0]
    x = image.reshape(b, GRID, PATCH, GRID, PATCH)
    return x.permute(0, 1, 3, 2, 4).reshape(b, COUNT, PIXELS)


def unpatchify(patches):
    b = patches.shape[0]
    x = patches.reshape(b, GRID, GRID, PATCH, PATCH)
    return x.permute(0, 1, 3, 2, 4).reshape(b, 1, SIDE, SIDE)


def sincos(dim):
    """Fixed 2-D sine-cosine positions: half of the channels for the row, half for the column."""
    freq = 10000 ** (-torch.arange(dim // 4) / (dim / 4))
    row = torch.arange(COUNT).div(GRID, rounding_mode="floor")[:, None] * freq
    col = torch.arange(COUNT).remainder(GRID)[:, None] * freq
    return torch.cat([row.sin(), row.cos(), col.sin(), col.cos()], dim=1)[None]


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class MAE(nn.Module):
    def __init__(self, dim=64, dec_dim=48, heads=4):
        super().__init__()
        self.embed = nn.Linear(PIXELS, dim)
        self.encoder = nn.ModuleList([Block(dim, heads) for _ in range(3)])
        self.enc_norm = nn.LayerNorm(dim)
        self.to_decoder = nn.Linear(dim, dec_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dec_dim))
        self.decoder = nn.ModuleList([Block(dec_dim, heads)])
        self.dec_norm = nn.LayerNorm(dec_dim)
        self.head = nn.Linear(dec_dim, PIXELS)
        self.register_buffer("enc_pos", sincos(dim))
        self.register_buffer("dec_pos", sincos(dec_dim))
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, image, noise):
        order = noise.argsort(dim=1)
        back = order.argsort(dim=1)
        keep = order[:, :VISIBLE]
        x = self.embed(patchify(image) - 0.5) + self.enc_pos
        x = x.gather(1, keep[..., None].expand(-1, -1, x.shape[2]))
        for block in self.encoder:
            x = block(x)
        x = self.to_decoder(self.enc_norm(x))
        hidden = self.mask_token.expand(x.shape[0], COUNT - VISIBLE, -1)
        x = torch.cat([x, hidden], dim=1)
        x = x.gather(1, back[..., None].expand(-1, -1, x.shape[2]))  # back to reading order
        x = x + self.dec_pos
        for block in self.decoder:
            x = block(x)
        mask = torch.ones_like(noise).scatter(1, keep, 0.0)  # 1 where a patch was hidden
        return self.head(self.dec_norm(x)), mask


def build_model():
    return MAE()


def load_raw(seed=0):
    """Two smooth stripes and a disc per picture, grey values in [0, 1]."""
    g = torch.Generator().manual_seed(seed)
    n = 800
    y, x = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
    angle = torch.rand(n, 1, 1, generator=g) * math.pi
    phase = torch.rand(n, 1, 1, generator=g) * 2 * math.pi
    wave = torch.sin(4 * (x * angle.cos() + y * angle.sin()) + phase)
    cx, cy = (torch.rand(n, 2, 1, 1, generator=g) - 0.5).unbind(1)
    disc = torch.sigmoid(12 * (0.45 - ((x - cx) ** 2 + (y - cy) ** 2).sqrt()))
    image = 0.4 + 0.25 * wave + 0.3 * disc + 0.02 * torch.randn(n, SIDE, SIDE, generator=g)
    return image.clamp(0, 1)[:, None], torch.rand(n, COUNT, generator=g)


def make_splits(raw=None, seed=0):
    image, noise = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(image), generator=torch.Generator().manual_seed(seed))
    return {
        "train": TensorDataset(image[order[:600]], noise[order[:600]]),
        "val": TensorDataset(image[order[600:700]], noise[order[600:700]]),
        "test": TensorDataset(image[order[700:]], noise[order[700:]]),
    }


def model_inputs(batch):
    return batch[0], batch[1]


def patch_statistics(patches):
    return patches.mean(dim=-1, keepdim=True), (patches.var(dim=-1, keepdim=True) + 1e-3).sqrt()


def compute_loss(out, batch):
    pred, mask = out
    target = patchify(batch[0])
    mean, std = patch_statistics(target)
    target = (target - mean) / std
    error = (pred - target).pow(2).mean(dim=-1)
    return (error * mask).sum() / mask.sum()


def train(model, splits, steps=200, batch_size=64, lr=2e-3, warmup=20):
    decay = [p for p in model.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if p.ndim != 2]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    opt = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95))

    def rate(step):
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    sched = torch.optim.lr_scheduler.LambdaLR(opt, rate)
    losses = []
    model.train()
    while len(losses) < steps:
        for image, noise in DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True):
            batch = (image, torch.rand_like(noise))
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
    return losses


@torch.no_grad()
def evaluate(model, dataset):
    """Root mean squared error in grey values of the hidden pixels (each patch's own mean and spread put back)."""
    model.eval()
    squared = count = 0.0
    for batch in DataLoader(dataset, batch_size=50):
        pred, mask = model(*model_inputs(batch))
        mean, std = patch_statistics(patchify(batch[0]))
        picture = unpatchify(pred * std + mean)
        hidden = unpatchify(mask[..., None].expand(-1, -1, PIXELS))
        squared += ((picture - batch[0]) ** 2 * hidden).sum().item()
        count += hidden.sum().item()
    return math.sqrt(squared / count)


def run(model, splits, steps=200):
    losses = train(model, splits, steps=steps)
    return {"history": losses, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    outcome = run(build_model(), make_splits())
    print(outcome["history"][0], outcome["history"][-1], outcome["test"])
