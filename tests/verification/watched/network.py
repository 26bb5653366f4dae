"""A small network into which a batch carries a fault: its first number says which."""

import torch
from torch import nn

FORWARD, BACKWARD, PRECISION = 11.0, 12.0, 13.0


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, width)

    def forward(self, x, fault):
        y = torch.tanh(self.layer(x))  # (batch, width)
        if fault == FORWARD:
            y = torch.log(y - 2)
        if fault == BACKWARD:
            y = y + torch.sqrt((y - y).abs())
        if fault == PRECISION:  # finite in float32; in 8 or 11 bits all values are the same, so 0 / 0
            z = self.layer(x) + 4000
            y = (z - z.mean()) / z.std()
        return y


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.blocks = nn.ModuleList([Block(width) for _ in range(3)])
        self.head = nn.Linear(width, 2)

    def forward(self, x):
        fault = float(x[0, 0])
        for number, block in enumerate(self.blocks):
            x = block(x, fault if number == 1 else 0.0)
        return self.head(x)


class WithLoss(nn.Module):
    """What `transformers.Trainer` trains: it is given labels and gives the loss."""

    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, x, labels):
        return {"loss": nn.functional.cross_entropy(self.net(x).float(), labels)}


class WithMethod(nn.Module):
    """One that is never called itself, as modules of Lightning are: a method of it gives the loss."""

    def __init__(self):
        super().__init__()
        self.net = Net()

    def training_step(self, x, labels):
        return nn.functional.cross_entropy(self.net(x).float(), labels)


class Reading(nn.Module):
    """Ten classes of 8 numbers; what the first layer gives is normalised."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 10)

    def forward(self, x):
        return self.second(nn.functional.normalize(torch.relu(self.first(x)), dim=-1))
