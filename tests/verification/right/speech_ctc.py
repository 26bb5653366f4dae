"""A convolutional and recurrent recogniser with the CTC loss."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "speech_ctc",
    "task": "transducer",
    "inputs": [{"name": "frames", "shape": ["B", 24, 6], "dtype": "float32"}],
    "target": {"shape": ["B", 5], "dtype": "int64", "low": 1, "high": 9},
    "output_shape": ["B", 12, 9],
}


class Recogniser(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.conv = nn.Conv1d(6, width, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(width)
        self.gru = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, 9)

    def forward(self, frames):
        hidden = F.relu(self.conv(frames.transpose(1, 2))).transpose(1, 2)  # (batch, 12, width)
        return self.head(self.gru(self.norm(hidden))[0])


def build_model():
    return Recogniser()


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    logs = out.log_softmax(dim=-1).transpose(0, 1)  # (time, batch, classes)
    frames = torch.full((out.shape[0],), out.shape[1])
    labels = torch.full((out.shape[0],), batch[-1].shape[1])
    return F.ctc_loss(logs, batch[-1], frames, labels, blank=0)
