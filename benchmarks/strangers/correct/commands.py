"""Spoken commands from log-mel spectrograms: a small depthwise-separable CNN with SpecAugment and mixup.

A command is a contour of pitch over time (rising, falling, ...), so the direction of time matters. Augmentation is for
training only. Reported results come from an exponential moving average (EMA) of the weights.
"""
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

MELS, FRAMES, WORDS = 24, 32, 6
META = {
    "name": "commands", "task": "classification",
    "inputs": [{"name": "logmel", "shape": ["B", 1, MELS, FRAMES], "dtype": "float32"}],
    "target": {"name": "word", "shape": ["B"], "dtype": "int64", "low": 0, "high": WORDS},
    "output_shape": ["B", WORDS], "oracle": "onehot", "causal": False, "claims": {"params": 4646},
}


class Separable(nn.Module):
    """Depthwise 3x3, pointwise 1x1, each followed by batch norm and ReLU."""

    def __init__(self, fan_in, fan_out, stride=1):
        super().__init__()
        self.depthwise = nn.Conv2d(fan_in, fan_in, 3, stride, padding=1, groups=fan_in, bias=False)
        self.pointwise = nn.Conv2d(fan_in, fan_out, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(fan_in), nn.BatchNorm2d(fan_out)

    def forward(self, x):
        return F.relu(self.bn2(self.pointwise(F.relu(self.bn1(self.depthwise(x))))))


class CommandNet(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.body = nn.Sequential(Separable(width, 32), Separable(32, 32, stride=2), Separable(32, 48, stride=2))
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(48, WORDS)

    def forward(self, logmel):
        features = self.body(self.stem(logmel))
        return self.head(self.drop(features.mean(dim=(2, 3))))


def build_model():
    return CommandNet()


def load_raw(seed=0):
    """Give log-mel energies, words, and the speaker of each utterance; words are not equally frequent."""
    g = torch.Generator().manual_seed(seed)
    n, speakers = 1500, 60
    frequency = torch.tensor([0.3, 0.2, 0.2, 0.12, 0.1, 0.08])
    word = torch.multinomial(frequency, n, replacement=True, generator=g)
    speaker = torch.randint(0, speakers, (n,), generator=g)
    base = 8 + 8 * torch.rand(speakers, generator=g)[speaker][:, None]
    gain = torch.randn(speakers, generator=g)[speaker][:, None, None]
    t = torch.linspace(-1, 1, FRAMES)[None].expand(n, -1) + 0.3 * torch.randn(n, 1, generator=g)
    contour = torch.stack([4 * t, -4 * t, 0 * t, 5 * t ** 2 - 2, -5 * t ** 2 + 2, 3 * torch.sin(4 * t)], dim=1)
    pitch = base + contour[torch.arange(n), word]
    bins = torch.arange(MELS)[None, :, None]
    energy = torch.exp(-0.5 * ((bins - pitch[:, None]) / 1.2) ** 2)
    energy = energy + 0.5 * torch.exp(-0.5 * ((bins - pitch[:, None] - 6) / 1.2) ** 2)
    tilt = -0.1 * bins
    logmel = torch.log(energy + 0.05) * 2 + tilt + gain + 1.0 * torch.randn(n, MELS, FRAMES, generator=g) - 4.0
    return logmel[:, None], word, speaker


def make_splits(raw=None, seed=0):
    logmel, word, speaker = load_raw(seed) if raw is None else raw
    order = torch.randperm(int(speaker.max()) + 1, generator=torch.Generator().manual_seed(seed))
    groups = {"train": order[:40], "val": order[40:48], "test": order[48:]}  # no speaker is in two splits
    rows = {name: torch.isin(speaker, members) for name, members in groups.items()}
    fit = logmel[rows["train"]]
    mean, std = fit.mean(dim=(0, 1, 3))[:, None], fit.std(dim=(0, 1, 3))[:, None]  # per mel band
    logmel = (logmel - mean) / std
    return {name: TensorDataset(logmel[r], word[r]) for name, r in rows.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[1], label_smoothing=0.05)


def spec_augment(x):
    """Hide one band of up to 4 mel bins and one stretch of up to 5 frames in every spectrogram (0 is the mean)."""
    b = len(x)
    f0, t0 = torch.randint(0, MELS - 4, (b, 1)), torch.randint(0, FRAMES - 5, (b, 1))
    f, t = torch.arange(MELS)[None], torch.arange(FRAMES)[None]
    band = (f >= f0) & (f < f0 + torch.randint(0, 5, (b, 1)))
    stretch = (t >= t0) & (t < t0 + torch.randint(0, 6, (b, 1)))
    return x.masked_fill(band[:, None, :, None] | stretch[:, None, None, :], 0.0)


def mixup(batch, strength=0.2):
    """Blend every spectrogram with another; give the blend, the labels of the other and the share of the first."""
    lam = torch.distributions.Beta(strength, strength).sample().item()
    partner = torch.randperm(len(batch[1]))
    return lam * batch[0] + (1 - lam) * batch[0][partner], batch[1][partner], lam


@torch.no_grad()
def update_average(average, model, decay):
    for a, p in zip(average.parameters(), model.parameters()):
        a.lerp_(p, 1 - decay)
    for a, p in zip(average.buffers(), model.buffers()):
        a.copy_(p)


def train(model, splits, steps=250, batch_size=64, lr=0.1, decay=0.95):
    """Train; `model` holds the averaged weights at the end."""
    average = copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    history = []
    model.train()
    while len(history) < steps:
        for x, word in DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True):
            mixed, other, lam = mixup((spec_augment(x), word))
            out = model(mixed)
            loss = lam * compute_loss(out, (mixed, word)) + (1 - lam) * compute_loss(out, (mixed, other))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            update_average(average, model, decay)
            history.append(loss.item())
            if len(history) == steps:
                break
    model.load_state_dict(average.state_dict())
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Balanced accuracy: the mean over words of the share of its utterances that are recognised."""
    model.eval()
    hits, totals = torch.zeros(WORDS), torch.zeros(WORDS)
    for batch in DataLoader(dataset, batch_size=100):
        predicted = model(*model_inputs(batch)).argmax(dim=1)
        totals += torch.bincount(batch[1], minlength=WORDS)
        hits += torch.bincount(batch[1][predicted == batch[1]], minlength=WORDS)
    return (hits / totals.clamp(min=1)).mean().item()


def run(model, splits, steps=250):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    net = build_model()
    print(sum(p.numel() for p in net.parameters()), "parameters")
    result = run(net, make_splits())
    print(result["history"][0], result["history"][-1], result["test"])
