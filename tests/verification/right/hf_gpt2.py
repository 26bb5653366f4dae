"""A GPT-2 of two layers."""

from transformers import GPT2Config, GPT2LMHeadModel
import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "hf_gpt2",
    "task": "lm",
    "inputs": [{"name": "tokens", "shape": ["B", "T"], "dtype": "int64", "high": 29}],
    "target": {"shape": ["B", "T"], "dtype": "int64", "high": 29},
    "output_shape": ["B", "T", 29],
    "oracle": "onehot_last",
    "causal": True,
    "positional": "tokens",
    "claims": {"norm": "pre", "residual_adds": 4, "attn_scale": True, "tied": True, "depth": 2},
}


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.gpt = GPT2LMHeadModel(GPT2Config(vocab_size=29, n_positions=40, n_embd=32, n_layer=2, n_head=4))

    def forward(self, tokens):
        return self.gpt(input_ids=tokens, use_cache=False).logits


def build_model():
    return Gpt()


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[-1].flatten())
