"""A LLaMA of two layers with grouped queries."""

from transformers import LlamaConfig, LlamaForCausalLM
import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "hf_llama",
    "task": "lm",
    "inputs": [{"name": "tokens", "shape": ["B", "T"], "dtype": "int64", "high": 29}],
    "target": {"shape": ["B", "T"], "dtype": "int64", "high": 29},
    "output_shape": ["B", "T", 29],
    "oracle": "onehot_last",
    "causal": True,
    "positional": "tokens",
    "claims": {"norm": "pre", "residual_adds": 4, "attn_scale": True, "positions": "rotary", "depth": 2},
}


class Llama(nn.Module):
    def __init__(self):
        super().__init__()
        config = LlamaConfig(
            vocab_size=29, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=64,
        )
        self.llama = LlamaForCausalLM(config)

    def forward(self, tokens):
        return self.llama(input_ids=tokens, use_cache=False).logits


def build_model():
    return Llama()


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[-1].flatten())
