"""Mixture density network (Bishop 1994) for inverse kinematics: which joint angles put a two-link arm's hand there?

There are two answers (elbow up, elbow down), so the network gives a mixture of diagonal Gaussians over the two angles.
Angles are standardised with the training split; `evaluate` reports the negative log-likelihood per point in radians.
"""
import math

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

JOINTS, PARTS = 2, 6
META = {
    "name": "mdn", "task": "density",
    "inputs": [{"name": "hand", "shape": ["B", 2], "dtype": "float32"}],
    "target": {"name": "angles", "shape": ["B", JOINTS], "dtype": "float32"},
    "output_shape": [["B", PARTS], ["B", PARTS, JOINTS], ["B", PARTS, JOINTS]],
    "oracle": None, "causal": False, "claims": {},
}


class MixtureNet(nn.Module):
    """Give the logits of the weights, the means and the logarithms of the standard deviations."""

    def __init__(self, hidden=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh())
        self.logits = nn.Linear(hidden, PARTS)
        self.mean = nn.Linear(hidden, PARTS * JOINTS)
        self.log_std = nn.Linear(hidden, PARTS * JOINTS)
        nn.init.uniform_(self.mean.bias, -1.5, 1.5)  # components start apart

    def forward(self, hand):
        h = self.body(hand)
        mean = self.mean(h).view(-1, PARTS, JOINTS)
        log_std = self.log_std(h).view(-1, PARTS, JOINTS).clamp(-5.0, 3.0)
        return self.logits(h), mean, log_std


def build_model():
    return MixtureNet()


def reach(angles):
    """Forward kinematics: links of length 1.0 and 0.7."""
    a, b = angles[..., 0], angles[..., 0] + angles[..., 1]
    return torch.stack([a.cos() + 0.7 * b.cos(), a.sin() + 0.7 * b.sin()], dim=-1)


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 3000
    shoulder = 0.3 + 0.9 * torch.rand(n, generator=g)
    elbow = (0.6 + 1.4 * torch.rand(n, generator=g)) * (2 * torch.randint(0, 2, (n,), generator=g) - 1)
    angles = torch.stack([shoulder, elbow], dim=1)
    return reach(angles) + 0.01 * torch.randn(n, 2, generator=g), angles


def make_splits(raw=None, seed=0):
    hand, angles = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(hand), generator=torch.Generator().manual_seed(seed))
    rows = {"train": order[:2200], "val": order[2200:2500], "test": order[2500:]}
    fit = rows["train"]
    hand = (hand - hand[fit].mean(0)) / hand[fit].std(0)
    center, scale = angles[fit].mean(0), angles[fit].std(0)
    splits = {}
    for name, r in rows.items():
        splits[name] = TensorDataset(hand[r], (angles[r] - center) / scale)
        splits[name].center, splits[name].scale = center, scale
    return splits


def model_inputs(batch):
    return (batch[0],)


def log_likelihood(out, angles):
    """Log density of each row of `angles` under its mixture, shape (B,)."""
    logits, mean, log_std = out
    z = (angles[:, None, :] - mean) / log_std.exp()
    log_normal = -0.5 * z ** 2 - log_std - 0.5 * math.log(2 * math.pi)
    per_part = log_normal.sum(dim=2)  # joints are independent given the part
    return torch.logsumexp(logits.log_softmax(dim=1) + per_part, dim=1)


def compute_loss(out, batch):
    return -log_likelihood(out, batch[1]).mean()


def sample(out, generator=None):
    """Draw one pair of standardised angles from each mixture."""
    logits, mean, log_std = out
    part = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)
    index = part[..., None].expand(-1, -1, JOINTS)
    mean, std = mean.gather(1, index).squeeze(1), log_std.gather(1, index).squeeze(1).exp()
    return mean + std * torch.randn(mean.shape, generator=generator)


def train(model, splits, steps=400, batch_size=100, lr=5e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=steps)
    history = []
    model.train()
    while len(history) < steps:
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Mean negative log-likelihood (nats) of the angles in radians: the density of the unstandardised variable."""
    model.eval()
    total = 0.0
    for batch in DataLoader(dataset, batch_size=128):
        total -= log_likelihood(model(*model_inputs(batch)), batch[1]).sum().item()
    return total / len(dataset) + dataset.scale.log().sum().item()


@torch.no_grad()
def reaching_error(model, dataset, seed=0):
    """Median distance from the wanted hand position to where sampled angles put the hand."""
    model.eval()
    hand, angles = dataset.tensors
    drawn = sample(model(hand), torch.Generator().manual_seed(seed))
    wanted = reach(angles * dataset.scale + dataset.center)
    return (reach(drawn * dataset.scale + dataset.center) - wanted).norm(dim=1).median().item()


def run(model, splits, steps=400):
    history = train(model, splits, steps=steps)
    test = splits["test"]
    return {"history": history, "test": evaluate(model, test), "reach": reaching_error(model, test)}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print(result["history"][0], result["history"][-1], result["test"], result["reach"])
