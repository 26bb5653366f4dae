"""A Vision Transformer of two layers."""

from transformers import ViTConfig, ViTForImageClassification
import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "hf_vit",
    "task": "classification",
    "inputs": [{"name": "images", "shape": ["B", 3, 16, 16], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": 5},
    "output_shape": ["B", 5],
    "oracle": "onehot",
    "positional": "patches:4",
    "patch_tokens": 16,
    "claims": {"norm": "pre", "residual_adds": 4, "attn_scale": True, "readout": 0, "depth": 2},
}


class Images(nn.Module):
    def __init__(self):
        super().__init__()
        config = ViTConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=16,
            patch_size=4, num_labels=5,
        )
        self.vit = ViTForImageClassification(config)

    def forward(self, images):
        return self.vit(pixel_values=images).logits


def build_model():
    return Images()


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[-1])
