"""A deep Q-network: the value of the action that was taken is drawn to a given return."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "dqn",
    "inputs": [{"name": "frames", "shape": ["B", 2, 12, 12], "dtype": "float32"}],
    "batch": [
        {"name": "frames", "shape": ["B", 2, 12, 12], "dtype": "float32"},
        {"name": "action", "shape": ["B"], "dtype": "int64", "high": 4},
        {"name": "goal", "shape": ["B"], "dtype": "float32"},
    ],
    "output_shape": ["B", 4],
}


class Dueling(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(2, 8, 4, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten())
        self.value, self.advantage = nn.Linear(144, 1), nn.Linear(144, 4)

    def forward(self, frames):
        hidden = self.conv(frames)
        advantage = self.advantage(hidden)
        return self.value(hidden) + advantage - advantage.mean(dim=1, keepdim=True)


def build_model():
    return Dueling()


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    taken = out.gather(1, batch[1][:, None]).squeeze(1)
    return F.smooth_l1_loss(taken, batch[2])
