"""Binary segmentation of discs among distractor squares: GroupNorm U-Net, soft Dice + BCE."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "unet_dice", "task": "segmentation", "num_classes": 2,
    "inputs": [{"name": "x", "shape": ["B", 1, 32, 32], "dtype": "float32"}],
    "target": {"shape": ["B", 1, 32, 32], "dtype": "float32", "high": 2},
    "output_shape": ["B", 1, 32, 32], "oracle": "binary_logit", "causal": False,
    "claims": {"params": 27561, "mflops": 12.091, "skip_concats": 2},
}


class DoubleConv(nn.Sequential):
    def __init__(self, cin, cout):
        super().__init__(
            nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.GroupNorm(4, cout), nn.SiLU(),
            nn.Conv2d(cout, cout, 3, padding=1, bias=False), nn.GroupNorm(4, cout), nn.SiLU(),
        )


class Up(nn.Module):
    def __init__(self, cin, cskip, cout):
        super().__init__()
        self.reduce = nn.Conv2d(cin, cout, 1)
        self.conv = DoubleConv(cout + cskip, cout)

    def forward(self, x, skip):
        x = F.interpolate(self.reduce(x), size=skip.shape[-2:], mode="bilinear", align_corners=False)
        return self.conv(torch.cat((skip, x), dim=1))


class UNet(nn.Module):
    def __init__(self, w=8):
        super().__init__()
        self.stem = DoubleConv(1, w)
        self.down1 = DoubleConv(w, 2 * w)
        self.down2 = DoubleConv(2 * w, 4 * w)
        self.up1 = Up(4 * w, 2 * w, 2 * w)
        self.up2 = Up(2 * w, w, w)
        self.head = nn.Conv2d(w, 1, 1)

    def forward(self, x):
        a = self.stem(x)
        b = self.down1(F.max_pool2d(a, 2))
        c = self.down2(F.max_pool2d(b, 2))
        return self.head(self.up2(self.up1(c, b), a))


def build_model():
    return UNet()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n, s = 200, 32
    yy = torch.arange(s).view(1, s, 1).float()
    xx = torch.arange(s).view(1, 1, s).float()
    u = lambda lo, hi: lo + (hi - lo) * torch.rand(n, 1, 1, generator=g)
    disc = (yy - u(7, 25)) ** 2 + (xx - u(7, 25)) ** 2 < u(4, 7) ** 2
    half, cy, cx = u(3, 5), u(6, 26), u(6, 26)
    square = ((yy - cy).abs() < half) & ((xx - cx).abs() < half)
    image = torch.where(disc, 1.0, torch.where(square, 0.9, 0.0)) * u(0.7, 1.3) + u(-0.3, 0.3)
    image = image + 0.35 * torch.randn(n, s, s, generator=g)
    return image[:, None], disc[:, None].float()


def make_splits(raw=None, seed=0):
    x, y = load_raw(seed) if raw is None else raw
    tr, va, te = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1)).split([120, 40, 40])
    x = (x - x[tr].mean()) / x[tr].std()
    return {"train": TensorDataset(x[tr], y[tr]), "val": TensorDataset(x[va], y[va]),
            "test": TensorDataset(x[te], y[te])}


def model_inputs(batch):
    return (batch[0],)


def soft_dice_loss(logits, target, smooth=1.0):
    p, t = logits.sigmoid().flatten(1), target.flatten(1)
    inter = (p * t).sum(1)
    return (1 - (2 * inter + smooth) / (p.sum(1) + t.sum(1) + smooth)).mean()


def compute_loss(out, batch):
    y = batch[1]
    return 0.5 * F.binary_cross_entropy_with_logits(out, y) + 0.5 * soft_dice_loss(out, y)


def train(model, splits, steps=120, batch_size=16, lr=4e-3, eval_every=20):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    loader = DataLoader(splits["train"], batch_size, shuffle=True,
                        drop_last=len(splits["train"]) > batch_size)

    def forever():
        while True:
            yield from loader

    history, best, best_state = [], -1.0, None
    model.train()
    for step, batch in zip(range(1, steps + 1), forever()):
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        history.append(loss.item())
        if step % eval_every == 0 or step == steps:
            score = evaluate(model, splits["val"])
            model.train()
            if score > best:
                best, best_state = score, {k: v.clone() for k, v in model.state_dict().items()}
    if best_state is not None:
        model.load_state_dict(best_state)
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Intersection over union of the foreground, pooled over all pixels of the set."""
    model.eval()
    inter = union = 0
    for batch in DataLoader(dataset, 20):
        pred, true = model(*model_inputs(batch)) > 0, batch[1] > 0.5
        inter += (pred & true).sum().item()
        union += (pred | true).sum().item()
    return inter / max(union, 1)


def run(model, splits, steps=120):
    history = train(model, splits, steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    r = run(build_model(), make_splits())
    print(f"loss {r['history'][-1]:.3f}  IoU {r['test']:.3f}")
