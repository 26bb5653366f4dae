"""A Whisper of one layer: spectrogram in, tokens out."""

from transformers import WhisperConfig, WhisperForConditionalGeneration
import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "hf_whisper",
    "task": "seq2seq",
    "inputs": [
        {"name": "mel", "shape": ["B", 8, 20], "dtype": "float32"},
        {"name": "shifted", "shape": ["B", "T"], "dtype": "int64", "low": 1, "high": 23},
    ],
    "target": {"shape": ["B", "T"], "dtype": "int64", "low": 1, "high": 23},
    "output_shape": ["B", "T", 23],
    "oracle": "onehot_last",
    "causal": {"input": 1, "in_dim": 1, "out_dim": 1},
    "claims": {"norm": "pre", "attn_scale": True, "tied": True},
}


class Speech(nn.Module):
    def __init__(self):
        super().__init__()
        config = WhisperConfig(
            vocab_size=23, num_mel_bins=8, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
            decoder_attention_heads=4, encoder_ffn_dim=64, decoder_ffn_dim=64, d_model=32, max_source_positions=10,
            max_target_positions=32, pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=0,
            suppress_tokens=None, begin_suppress_tokens=None,
        )
        self.whisper = WhisperForConditionalGeneration(config)

    def forward(self, mel, shifted):
        return self.whisper(input_features=mel, decoder_input_ids=shifted, use_cache=False).logits


def build_model():
    return Speech()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[-1].flatten())
