"""A small U-Net with time embedding that predicts the noise, and the DDPM loss (arXiv 2006.11239)."""

from torch.utils.data import TensorDataset
import torch
import torch.nn.functional as F
from torch import nn

STEPS = 50
BETAS = torch.linspace(1e-4, 0.02, STEPS)
KEPT = torch.cumprod(1 - BETAS, dim=0)
META = {
    "name": "diffusion_unet",
    "task": "denoising",
    "inputs": [
        {"name": "noisy", "shape": ["B", 1, 8, 8], "dtype": "float32"},
        {"name": "time", "shape": ["B"], "dtype": "int64", "high": STEPS},
    ],
    "target": {"name": "noise", "shape": ["B", 1, 8, 8], "dtype": "float32"},
    "output_shape": ["B", 1, 8, 8],
    "oracle": "regression",
    "zero_init": True,
    "claims": {"skip_concats": 1},
}


def noisy(images, noise, time):
    kept = KEPT[time][:, None, None, None]
    return kept.sqrt() * images + (1 - kept).sqrt() * noise


def embedded(time, width):
    rates = torch.exp(-4.0 * torch.arange(width // 2, device=time.device) / (width // 2))
    angles = time.float()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)  # (batch, width)


class Block(nn.Module):
    def __init__(self, before, after, width):
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, padding=1)
        self.time = nn.Linear(width, after)
        self.norm = nn.GroupNorm(4, after)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        self.skip = nn.Conv2d(before, after, 1)

    def forward(self, maps, time):
        hidden = F.silu(self.first(maps)) + self.time(time)[:, :, None, None]
        return self.skip(maps) + self.second(F.silu(self.norm(hidden)))


class UNet(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.start = nn.Conv2d(1, width, 3, padding=1)
        self.down, self.middle = Block(width, width, width), Block(width, width, width)
        self.up = Block(2 * width, width, width)
        self.out = nn.Conv2d(width, 1, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, maps, time):
        time = self.time(embedded(time, self.width))
        early = self.down(self.start(maps), time)
        deep = self.middle(F.avg_pool2d(early, 2), time)
        late = F.interpolate(deep, scale_factor=2.0, mode="nearest")
        return self.out(F.silu(self.up(torch.cat([late, early], dim=1), time)))


def build_model():
    return UNet()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.mse_loss(out, batch[2])


def load_raw(seed=0):
    generator = torch.Generator().manual_seed(seed)
    places = torch.randint(1, 7, (96, 2), generator=generator)
    images = torch.zeros(96, 1, 8, 8)
    images[torch.arange(96), 0, places[:, 0], places[:, 1]] = 4.0
    return (images + 0.1 * torch.randn(images.shape, generator=generator),)


def make_splits(raw=None, seed=0):
    (images,) = load_raw(seed) if raw is None else raw
    generator = torch.Generator().manual_seed(seed + 1)
    time = torch.randint(STEPS, (len(images),), generator=generator)
    noise = torch.randn(images.shape, generator=generator)
    rows = noisy(images, noise, time), time, noise
    order = torch.randperm(len(images), generator=generator)
    parts = {"train": order[:64], "val": order[64:80], "test": order[80:]}
    return {name: TensorDataset(*(tensor[chosen] for tensor in rows)) for name, chosen in parts.items()}
