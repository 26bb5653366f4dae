"""Small pre-norm Vision Transformer: class token, axial 2-D rotary positions on queries and keys."""
import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "vit_rope", "task": "classification", "num_classes": 8,
    "inputs": [{"name": "x", "shape": ["B", 3, 20, 20], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": 8},
    "output_shape": ["B", 8], "oracle": "onehot",
    "causal": False, "positional": "patches:4", "patch_tokens": 25,
    "claims": {"norm": "pre", "residual_adds": 4, "attn_scale": True, "readout": 0, "positions": "rotary",
               "params": 40520, "mflops": 2.292},
}


@dataclass(frozen=True)
class Config:
    image: int = 20
    channels: int = 3
    patch: int = 4
    dim: int = 48
    depth: int = 2
    heads: int = 4
    mlp: int = 96
    dropout: float = 0.1
    classes: int = 8

    @property
    def grid(self):
        return self.image // self.patch


def rotary_table(grid, head_dim, base=100.0):
    """cos and sin of shape (1 + grid*grid, head_dim // 2); the class token sits at the origin (0, 0)."""
    per_axis = head_dim // 4
    freq = base ** (-torch.arange(per_axis, dtype=torch.float32) / per_axis)
    row, col = torch.meshgrid(torch.arange(1, grid + 1), torch.arange(1, grid + 1), indexing="ij")
    pos = torch.stack([row.flatten(), col.flatten()], dim=1).float()
    pos = torch.cat([torch.zeros(1, 2), pos])
    angle = torch.cat([pos[:, :1] * freq, pos[:, 1:] * freq], dim=1)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.heads, self.head_dim = cfg.heads, cfg.dim // cfg.heads
        self.qkv = nn.Linear(cfg.dim, 3 * cfg.dim, bias=False)
        self.out = nn.Linear(cfg.dim, cfg.dim)
        cos, sin = rotary_table(cfg.grid, self.head_dim)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, self.cos, self.sin), rotate(k, self.cos, self.sin)
        weights = (q @ k.transpose(-2, -1) / math.sqrt(self.head_dim)).softmax(dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(b, n, d))


class Block(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(cfg.dim), nn.LayerNorm(cfg.dim)
        self.attn = Attention(cfg)
        self.mlp = nn.Sequential(nn.Linear(cfg.dim, cfg.mlp), nn.GELU(), nn.Linear(cfg.mlp, cfg.dim))
        self.drop = nn.Dropout(cfg.dropout)

    def forward(self, x):
        x = x + self.drop(self.attn(self.norm1(x)))
        return x + self.drop(self.mlp(self.norm2(x)))


class RotaryViT(nn.Module):
    def __init__(self, cfg=Config()):
        super().__init__()
        self.embed = nn.Conv2d(cfg.channels, cfg.dim, cfg.patch, stride=cfg.patch)
        self.cls = nn.Parameter(torch.empty(1, 1, cfg.dim))
        nn.init.trunc_normal_(self.cls, std=0.02)
        self.blocks = nn.Sequential(*[Block(cfg) for _ in range(cfg.depth)])
        self.norm = nn.LayerNorm(cfg.dim)
        self.head = nn.Linear(cfg.dim, cfg.classes)

    def forward(self, x):
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(x), -1, -1), tokens], dim=1)
        return self.head(self.norm(self.blocks(tokens))[:, 0])


def build_model():
    return RotaryViT()


def load_raw(seed=0):
    """Each class is a smooth random pattern; a sample is a slightly shifted, dimmed and noisy copy of it."""
    cfg = Config()
    g = torch.Generator().manual_seed(seed)
    n = 400
    y = (torch.arange(n) % cfg.classes)[torch.randperm(n, generator=g)]
    coarse = torch.randn(cfg.classes, cfg.channels, 5, 5, generator=g)
    proto = F.interpolate(coarse, size=(cfg.image + 4, cfg.image + 4), mode="bilinear", align_corners=False)
    gain = 0.7 + 0.6 * torch.rand(n, 1, 1, 1, generator=g)
    shift = torch.randint(0, 5, (n, 2), generator=g).tolist()
    crops = [proto[c, :, i:i + cfg.image, j:j + cfg.image] for c, (i, j) in zip(y.tolist(), shift)]
    x = gain * torch.stack(crops) + 0.8 * torch.randn(n, cfg.channels, cfg.image, cfg.image, generator=g)
    return 0.5 + 0.25 * x, y


def make_splits(raw=None, seed=0):
    x, y = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    n_train, n_val = int(0.6 * len(x)), int(0.2 * len(x))
    parts = dict(zip(("train", "val", "test"), order.split([n_train, n_val, len(x) - n_train - n_val])))
    mean = x[parts["train"]].mean(dim=(0, 2, 3), keepdim=True)
    std = x[parts["train"]].std(dim=(0, 2, 3), keepdim=True)
    return {name: TensorDataset((x[idx] - mean) / std, y[idx]) for name, idx in parts.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[1])


def parameter_groups(model, weight_decay):
    decay = [p for p in model.parameters() if p.ndim >= 2 and p is not model.cls]
    rest = [p for p in model.parameters() if p.ndim < 2 or p is model.cls]
    return [{"params": decay, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def train(model, splits, steps=120, batch_size=24, lr=2e-3, warmup=10):
    opt = torch.optim.AdamW(parameter_groups(model, 0.05), lr=lr, betas=(0.9, 0.98))

    def factor(step):
        if step < warmup:
            return (step + 1) / warmup
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress))

    sched = torch.optim.lr_scheduler.LambdaLR(opt, factor)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history = []
    model.train()
    while len(history) < steps:
        for batch in loader:
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset):
    model.eval()
    hits = 0
    for batch in DataLoader(dataset, batch_size=64):
        hits += (model(*model_inputs(batch)).argmax(dim=-1) == batch[1]).sum().item()
    return hits / len(dataset)


def run(model, splits, steps=120):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print(f"val accuracy {result['val']:.3f}  test accuracy {result['test']:.3f}")
