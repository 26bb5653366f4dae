"""A policy and a value with shared layers, and the loss of an advantage actor-critic (arXiv 1602.01783)."""

import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "actor_critic",
    "inputs": [{"name": "state", "shape": ["B", 6], "dtype": "float32"}],
    "batch": [
        {"name": "state", "shape": ["B", 6], "dtype": "float32"},
        {"name": "action", "shape": ["B"], "dtype": "int64", "high": 4},
        {"name": "returned", "shape": ["B"], "dtype": "float32"},
    ],
    "output_shape": [["B", 4], ["B"]],
}


class ActorCritic(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh())
        self.policy, self.value = nn.Linear(width, 4), nn.Linear(width, 1)

    def forward(self, state):
        hidden = self.body(state)
        return self.policy(hidden), self.value(hidden).squeeze(-1)


def build_model():
    return ActorCritic()


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    logits, value = out
    chosen = torch.distributions.Categorical(logits=logits)
    advantage = batch[2] - value
    return -(chosen.log_prob(batch[1]) * advantage.detach()).mean() + 0.5 * advantage.pow(2).mean() - 0.01 * chosen.entropy().mean()
