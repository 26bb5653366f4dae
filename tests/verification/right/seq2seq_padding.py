"""A recurrent translator with attention that skips padding (arXiv 1409.0473)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "seq2seq_padding",
    "task": "seq2seq",
    "inputs": [
        {"name": "source", "shape": ["B", 6], "dtype": "int64", "low": 1, "high": 19},
        {"name": "source_mask", "shape": ["B", 6], "dtype": "bool", "role": "padding_mask"},
        {"name": "shifted", "shape": ["B", "T"], "dtype": "int64", "low": 1, "high": 17},
    ],
    "target": {"shape": ["B", "T"], "dtype": "int64", "low": 1, "high": 17, "ignore": 0},
    "output_shape": ["B", "T", 17],
    "oracle": "onehot_last",
    "causal": {"input": 2, "in_dim": 1, "out_dim": 1},
    "pad_id": 0,
    "positional": "tokens",
}


class Translator(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.source, self.goal = nn.Embedding(19, width, padding_idx=0), nn.Embedding(17, width, padding_idx=0)
        self.encoder, self.decoder = nn.GRU(width, width, batch_first=True), nn.GRU(width, width, batch_first=True)
        self.query = nn.Linear(width, width)
        self.head = nn.Linear(2 * width, 17)

    def forward(self, source, source_mask, shifted):
        memory, _ = self.encoder(self.source(source))
        last = (source_mask.long().sum(1) - 1).clamp(min=0)
        start = memory[torch.arange(len(memory)), last][None]
        hidden, _ = self.decoder(self.goal(shifted), start.contiguous())
        scores = self.query(hidden) @ memory.transpose(1, 2) / memory.shape[-1] ** 0.5
        weights = scores.masked_fill(~source_mask[:, None], float("-inf")).softmax(dim=-1)
        return self.head(torch.cat([hidden, weights @ memory], dim=-1))


def build_model():
    return Translator()


def model_inputs(batch):
    return batch[0], batch[1], batch[2]


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[-1].flatten(), ignore_index=0)
