"""A bidirectional tagger of padded sentences."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "lstm_tagger",
    "task": "tagging",
    "inputs": [
        {"name": "tokens", "shape": ["B", "T"], "dtype": "int64", "low": 1, "high": 25},
        {"name": "mask", "shape": ["B", "T"], "dtype": "bool", "role": "padding_mask"},
    ],
    "target": {"shape": ["B", "T"], "dtype": "int64", "high": 6, "ignore": -100},
    "output_shape": ["B", "T", 6],
    "oracle": "onehot_last",
    "pad_id": 0,
    "positional": "tokens",
}


class Tagger(nn.Module):
    def __init__(self, width=20):
        super().__init__()
        self.tokens = nn.Embedding(25, width, padding_idx=0)
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(2 * width, 6)

    def forward(self, tokens, mask):
        lengths = mask.sum(1).clamp(min=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(self.tokens(tokens), lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=tokens.shape[1])
        return self.head(self.drop(hidden))


def build_model():
    return Tagger()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[-1].flatten(), ignore_index=-100)
