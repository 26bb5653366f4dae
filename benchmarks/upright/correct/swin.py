"""Two-stage Swin classifier: (shifted) window attention, relative position bias, patch merging."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "swin", "task": "classification", "num_classes": 5,
    "inputs": [{"name": "x", "shape": ["B", 1, 16, 16], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": 5},
    "output_shape": ["B", 5], "oracle": "onehot",
    "causal": False, "positional": "patches:2", "patch_tokens": 64,
    "claims": {"norm": "pre", "residual_adds": 6, "attn_scale": True, "params": 34405, "mflops": 2.175},
}
CLASSES, WINDOW = 5, 4


def to_windows(x, w):
    """(B, H, W, C) -> (B * windows, w * w, C)"""
    b, h, wd, c = x.shape
    x = x.view(b, h // w, w, wd // w, w, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, w * w, c)


def from_windows(win, w, h, wd):
    """the inverse of to_windows"""
    c = win.shape[-1]
    x = win.view(-1, h // w, wd // w, w, w, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, h, wd, c)


def shift_mask(h, wd, w, shift):
    """(windows, 1, w*w, w*w), True where a query may look: only inside the region it came from before the roll."""
    region = torch.zeros(1, h, wd, 1)
    cuts = (slice(0, -w), slice(-w, -shift), slice(-shift, None))
    for i, rows in enumerate(cuts):
        for j, cols in enumerate(cuts):
            region[:, rows, cols] = 3 * i + j
    ids = to_windows(region, w).squeeze(-1)
    return (ids[:, :, None] == ids[:, None, :])[:, None]


class WindowAttention(nn.Module):
    def __init__(self, dim, heads, w):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.bias_table = nn.Parameter(torch.zeros((2 * w - 1) ** 2, heads))
        nn.init.trunc_normal_(self.bias_table, std=0.02)
        coords = torch.stack(torch.meshgrid(torch.arange(w), torch.arange(w), indexing="ij")).flatten(1)
        rel = coords[:, :, None] - coords[:, None, :] + (w - 1)
        self.register_buffer("index", rel[0] * (2 * w - 1) + rel[1], persistent=False)

    def forward(self, x, allowed=None):
        bw, n, c = x.shape
        q, k, v = self.qkv(x).reshape(bw, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        att = (q * self.scale) @ k.transpose(-2, -1)
        att = att + self.bias_table[self.index].permute(2, 0, 1)
        if allowed is not None:
            windows = allowed.shape[0]
            att = att.view(bw // windows, windows, self.heads, n, n).masked_fill(~allowed, float("-inf"))
            att = att.view(bw, self.heads, n, n)
        out = att.softmax(dim=-1) @ v
        return self.proj(out.transpose(1, 2).reshape(bw, n, c))


class SwinBlock(nn.Module):
    def __init__(self, dim, heads, size, w=WINDOW, shift=0):
        super().__init__()
        self.w, self.shift = w, shift
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, w)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.register_buffer("allowed", shift_mask(size, size, w, shift) if shift else None, persistent=False)

    def attend(self, x):
        h, wd = x.shape[1:3]
        if self.shift:
            x = x.roll((-self.shift, -self.shift), dims=(1, 2))
        x = from_windows(self.attn(to_windows(x, self.w), self.allowed), self.w, h, wd)
        if self.shift:
            x = x.roll((self.shift, self.shift), dims=(1, 2))
        return x

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return x


class PatchMerging(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduce = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], dim=-1)
        return self.reduce(self.norm(x))


class Swin(nn.Module):
    def __init__(self, image=16, patch=2, dim=24, classes=CLASSES):
        super().__init__()
        side = image // patch
        self.embed = nn.Conv2d(1, dim, patch, stride=patch)
        self.embed_norm = nn.LayerNorm(dim)
        self.stage1 = nn.Sequential(
            SwinBlock(dim, heads=2, size=side), SwinBlock(dim, heads=2, size=side, shift=WINDOW // 2)
        )
        self.merge = PatchMerging(dim)
        # the second stage is one window wide, so there is nothing to shift
        self.stage2 = SwinBlock(2 * dim, heads=4, size=side // 2)
        self.norm = nn.LayerNorm(2 * dim)
        self.head = nn.Linear(2 * dim, classes)

    def forward(self, x):
        x = self.embed_norm(self.embed(x).permute(0, 2, 3, 1))
        x = self.stage2(self.merge(self.stage1(x)))
        return self.head(self.norm(x).mean(dim=(1, 2)))


def build_model():
    return Swin()


def load_raw(seed=0):
    """Noisy drawings of one of five strokes (-, |, /, \\ and +) of varying place and contrast."""
    g = torch.Generator().manual_seed(seed)
    n, s = 1000, 16
    y = torch.arange(n)[torch.randperm(n, generator=g)] % CLASSES
    centre = torch.randint(5, 11, (n, 2), generator=g)
    contrast = 1.5 + torch.rand(n, generator=g)
    x = torch.zeros(n, 1, s, s)
    span = range(-4, 5)
    strokes = [
        [(0, d) for d in span],
        [(d, 0) for d in span],
        [(-d, d) for d in span],
        [(d, d) for d in span],
        [(0, d) for d in span] + [(d, 0) for d in span],
    ]
    for i in range(n):
        for dr, dc in strokes[y[i]]:
            x[i, 0, centre[i, 0] + dr, centre[i, 1] + dc] = contrast[i]
    return x + 0.3 * torch.randn(x.shape, generator=g), y


def make_splits(raw=None, seed=0):
    x, y = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 7))
    tr, va, te = perm[:700], perm[700:840], perm[840:]
    mu, sd = x[tr].mean(), x[tr].std()
    x = (x - mu) / sd
    return {"train": TensorDataset(x[tr], y[tr]), "val": TensorDataset(x[va], y[va]), "test": TensorDataset(x[te], y[te])}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[1])


def train(model, splits, steps=220, batch_size=32, lr=3e-3):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.02)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=lr, total_steps=steps, pct_start=0.2)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    history = []
    model.train()
    while True:
        for batch in loader:
            if len(history) >= steps:
                return history
            opt.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            opt.step()
            sched.step()
            history.append(float(loss.detach()))


@torch.no_grad()
def evaluate(model, dataset):
    model.eval()
    right = torch.cat([model(*model_inputs(b)).argmax(-1) == b[1] for b in DataLoader(dataset, batch_size=64)])
    return right.float().mean().item()


def run(model, splits, steps=220):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print(run(build_model(), make_splits())["test"])
