"""A CLIP with two small towers and its symmetric loss."""

from transformers import CLIPConfig, CLIPModel
import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "hf_clip",
    "task": "contrastive",
    "inputs": [
        {"name": "tokens", "shape": ["B", 7], "dtype": "int64", "low": 1, "high": 30},
        {"name": "images", "shape": ["B", 3, 16, 16], "dtype": "float32"},
    ],
    "output_shape": [["B", 24], ["B", 24]],
    "claims": {"unit_norm": [0, 1], "symmetric_loss": True},
}
TEXT = {
    "vocab_size": 32, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
    "max_position_embeddings": 16, "eos_token_id": 31, "bos_token_id": 30,
}
VISION = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "image_size": 16,
    "patch_size": 8,
}


class Clip(nn.Module):
    def __init__(self):
        super().__init__()
        self.clip = CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=24))

    def forward(self, tokens, images):
        ended = torch.cat([tokens, torch.full_like(tokens[:, :1], 31)], dim=1)
        out = self.clip(input_ids=ended, pixel_values=images)
        return out.text_embeds, out.image_embeds


class ClipWithScale(Clip):
    """The temperature belongs to the loss, and is trained with the rest."""

    def __init__(self):
        super().__init__()
        self.clip.logit_scale.requires_grad_(False)


def build_model():
    return ClipWithScale()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    scores = 10.0 * out[0] @ out[1].t()  # (texts, images)
    labels = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, labels) + F.cross_entropy(scores.t(), labels)) / 2
