"""A ConvNeXt of two blocks with layer scale and stochastic depth (arXiv 2201.03545)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "convnext",
    "task": "classification",
    "inputs": [{"name": "images", "shape": ["B", 3, 16, 16], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": 5},
    "output_shape": ["B", 5],
    "oracle": "onehot",
    "claims": {"residual_adds": 2, "depth": 2},
}


class Block(nn.Module):
    def __init__(self, width, drop):
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 1e-6))
        self.drop = drop

    def forward(self, maps):
        hidden = self.norm(self.depthwise(maps).permute(0, 2, 3, 1))
        hidden = (self.scale * self.narrow(F.gelu(self.wide(hidden)))).permute(0, 3, 1, 2)
        if self.training and self.drop:
            kept = torch.rand(len(maps), 1, 1, 1, device=maps.device) >= self.drop
            hidden = hidden * kept / (1 - self.drop)
        return maps + hidden


class ConvNext(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, stride=4)
        self.blocks = nn.Sequential(*(Block(width, rate) for rate in torch.linspace(0, 0.1, 2).tolist()))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 5)

    def forward(self, images):
        return self.head(self.norm(self.blocks(self.stem(images)).mean(dim=(2, 3))))


def build_model():
    return ConvNext()


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[-1])
