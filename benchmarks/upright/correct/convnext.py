"""A two-stage ConvNeXt in miniature: depthwise 5x5, channels-last LayerNorm, inverted bottleneck, layer scale."""
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "convnext", "task": "classification", "num_classes": 6,
    "inputs": [{"name": "image", "shape": ["B", 3, 16, 16], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": 6},
    "output_shape": ["B", 6], "oracle": "onehot", "causal": False,
    "claims": {"params": 26358, "mflops": 1.293, "residual_adds": 4},
}


@dataclass(frozen=True)
class Config:
    depths: tuple = (2, 2)
    widths: tuple = (16, 32)
    classes: int = 6
    layer_scale: float = 0.1
    lr: float = 3e-3
    weight_decay: float = 0.05
    batch_size: int = 32
    warmup: int = 10


CFG = Config()


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of an NCHW map."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    def __init__(self, width, scale):
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.project = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.full((width,), scale))

    def forward(self, x):
        h = self.dwconv(x).permute(0, 2, 3, 1)
        h = self.project(F.gelu(self.expand(self.norm(h))))
        return x + (self.gamma * h).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self, cfg=CFG):
        super().__init__()
        stages, cin = [], 3
        for i, (depth, width) in enumerate(zip(cfg.depths, cfg.widths)):
            down = nn.Conv2d(cin, width, 2, stride=2)
            stages += [down, ChannelNorm(width)] if i == 0 else [ChannelNorm(cin), down]
            stages += [Block(width, cfg.layer_scale) for _ in range(depth)]
            cin = width
        self.body = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(cin)
        self.head = nn.Linear(cin, cfg.classes)
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(m.weight, std=0.05)
                nn.init.zeros_(m.bias)

    def forward(self, image):
        return self.head(self.norm(self.body(image).mean(dim=(2, 3))))


def build_model():
    return ConvNeXt()


def load_raw(seed=0):
    """Gratings: three orientations times two spatial frequencies, random phase, tint and noise."""
    g = torch.Generator().manual_seed(seed)
    n = 480
    label = (torch.arange(n) % 6)[torch.randperm(n, generator=g)]
    angle = (label % 3).float() * torch.pi / 3 + 0.1 * torch.randn(n, generator=g)
    freq = torch.where(label < 3, 0.7, 1.3)
    phase = 2 * torch.pi * torch.rand(n, generator=g)
    yy, xx = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    proj = angle.cos().view(n, 1, 1) * xx + angle.sin().view(n, 1, 1) * yy
    wave = torch.sin(freq.view(n, 1, 1) * proj + phase.view(n, 1, 1))
    tint = 0.5 + torch.rand(n, 3, 1, 1, generator=g)
    return tint * wave[:, None] + 0.8 * torch.randn(n, 3, 16, 16, generator=g), label


def make_splits(raw=None, seed=0):
    image, label = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(image), generator=torch.Generator().manual_seed(seed + 1))
    n = len(order)
    index = {"train": order[: n * 6 // 10], "val": order[n * 6 // 10: n * 8 // 10], "test": order[n * 8 // 10:]}
    fit = image[index["train"]]
    image = (image - fit.mean((0, 2, 3), keepdim=True)) / fit.std((0, 2, 3), keepdim=True)
    return {name: TensorDataset(image[i], label[i]) for name, i in index.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[1], label_smoothing=0.05)


def param_groups(model, weight_decay):
    decay = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": decay, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def train(model, splits, steps=120, cfg=CFG):
    opt = torch.optim.AdamW(param_groups(model, cfg.weight_decay), lr=cfg.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        opt, lambda s: min(1.0, (s + 1) / cfg.warmup) * max(0.02, 1 - s / max(1, steps)))
    loader = DataLoader(splits["train"], batch_size=cfg.batch_size, shuffle=True)
    losses = []
    model.train()
    while len(losses) < steps:
        for batch in loader:
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            schedule.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
    return losses


@torch.inference_mode()
def evaluate(model, dataset):
    """Accuracy."""
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
    outcome = run(build_model(), make_splits())
    print("accuracy: val %.3f, test %.3f" % (outcome["val"], outcome["test"]))
