"""A T5 of two layers: the decoder is causal, the encoder is not."""

from transformers import T5Config, T5ForConditionalGeneration
import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "hf_t5",
    "task": "seq2seq",
    "inputs": [
        {"name": "source", "shape": ["B", 6], "dtype": "int64", "low": 1, "high": 23},
        {"name": "shifted", "shape": ["B", "T"], "dtype": "int64", "low": 1, "high": 23},
    ],
    "target": {"shape": ["B", "T"], "dtype": "int64", "low": 1, "high": 23},
    "output_shape": ["B", "T", 23],
    "oracle": "onehot_last",
    "causal": {"input": 1, "in_dim": 1, "out_dim": 1},
    "positional": "tokens",
    "claims": {"norm": "pre"},
}


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        config = T5Config(
            vocab_size=23, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0,
        )
        self.t5 = T5ForConditionalGeneration(config)

    def forward(self, source, shifted):
        return self.t5(input_ids=source, decoder_input_ids=shifted, use_cache=False).logits


def build_model():
    return Translator()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[-1].flatten())
