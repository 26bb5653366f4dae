"""Trainings that go wrong without a NaN, one after the other; the last one is healthy."""

import time

import torch
from network import Reading
from torch.nn import functional as F

STEPS = 400


def data(seed, rows=64):
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, 8, generator=random)
    return x, (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long()


def train(change, *, rate=1e-2, steps=STEPS, loss_of=lambda network, x, y: F.cross_entropy(network(x), y)):
    """`change(step, network, optimizer)` is made before each step."""
    torch.manual_seed(0)
    network = Reading()
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    x, y = data(0)
    try:
        for step in range(1, steps + 1):
            change(step, network, optimizer)
            loss = loss_of(network, x, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    except RuntimeError as error:
        print(type(error).__name__, error)


def nothing(step, network, optimizer):
    """A training that is left alone."""


def grow(step, network, optimizer):
    time.sleep(0.02)  # a look inside the network is paid for by time
    if step == 140:
        with torch.no_grad():
            network.first.weight.mul_(1e6)


def ramp(network, x, y, counted=[0]):
    counted[0] += 1
    return F.cross_entropy(network(x), y) * (1 + counted[0] / 40)


def zero(network, x, y):
    return 1.0 + 0.0 * F.cross_entropy(network(x), y)


def leak(step, network, optimizer, kept=[]):
    kept.append(torch.ones(1 << 18))
    time.sleep(0.01)


def jump(step, network, optimizer):
    if step == 300:
        with torch.no_grad():
            network.second.weight.mul_(-300)


train(nothing, rate=1e-9)  # plateau
train(nothing, loss_of=zero)  # dead gradient
train(nothing, rate=1e-6, loss_of=ramp)  # divergence
train(grow, rate=1e-5, steps=280)  # activations
train(jump, rate=1e-3)  # spike
train(leak, steps=320)  # memory
train(nothing)  # healthy
