"""WaveNet (van den Oord et al. 2016) on 5-bit audio: predict the next mu-law level from the past samples only.

Dilated causal convolutions with dilations 1, 2, 4, ..., gated activations, residual and skip connections. The receptive
field is 64 samples. Clips come from recordings; whole recordings go to train, validation or test.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

LEVELS, LAYERS, LENGTH = 32, 6, 129
RECEPTIVE = 2 ** LAYERS
META = {
    "name": "wavenet", "task": "lm",
    "inputs": [{"name": "audio", "shape": ["B", "T"], "dtype": "int64", "low": 0, "high": LEVELS}],
    "batch": [{"name": "clip", "shape": ["B", "T+1"], "dtype": "int64", "low": 0, "high": LEVELS}],
    "target": {"name": "clip", "shape": ["B", "T+1"], "dtype": "int64", "low": 0, "high": LEVELS},
    "output_shape": ["B", "T", LEVELS], "oracle": "next_token", "causal": True, "claims": {},
}
MU = LEVELS - 1


def compress(wave):
    """Amplitudes in [-1, 1] to levels 0 .. LEVELS - 1, finer near silence."""
    squashed = wave.sign() * torch.log1p(MU * wave.abs()) / math.log1p(MU)
    return ((squashed + 1) / 2 * MU + 0.5).long().clamp(0, MU)


def expand(levels):
    """The amplitudes that `compress` maps to these levels."""
    squashed = 2 * levels.float() / MU - 1
    return squashed.sign() * ((1 + MU) ** squashed.abs() - 1) / MU


class GatedLayer(nn.Module):
    def __init__(self, channels, skip, dilation, last=False):
        super().__init__()
        self.past = dilation
        self.conv = nn.Conv1d(channels, 2 * channels, kernel_size=2, dilation=dilation)
        self.to_residual = None if last else nn.Conv1d(channels, channels, 1)
        self.to_skip = nn.Conv1d(channels, skip, 1)

    def forward(self, x):
        signal, gate = self.conv(F.pad(x, (self.past, 0))).chunk(2, dim=1)
        h = torch.tanh(signal) * torch.sigmoid(gate)
        onward = x if self.to_residual is None else x + self.to_residual(h)  # nothing reads it after the last layer
        return onward, self.to_skip(h)


class WaveNet(nn.Module):
    def __init__(self, channels=32, skip=48):
        super().__init__()
        self.embed = nn.Embedding(LEVELS, channels)
        self.layers = nn.ModuleList(
            [GatedLayer(channels, skip, dilation=2 ** i, last=i == LAYERS - 1) for i in range(LAYERS)]
        )
        self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(skip, skip, 1), nn.ReLU(), nn.Conv1d(skip, LEVELS, 1))

    def forward(self, audio):
        x = self.embed(audio).transpose(1, 2)
        total = 0.0
        for layer in self.layers:
            x, skip = layer(x)
            total = total + skip
        return self.head(total).transpose(1, 2)


def build_model():
    return WaveNet()


def load_raw(seed=0):
    """60 recordings of 1032 samples: two partials with a slow tremolo."""
    g = torch.Generator().manual_seed(seed)
    time = torch.arange(8 * LENGTH)[None].float()
    pitch = 0.15 + 0.35 * torch.rand(60, 1, generator=g)
    second = 0.5 * torch.rand(60, 1, generator=g)
    tremolo = 0.6 + 0.4 * torch.sin(0.01 * time + 6 * torch.rand(60, 1, generator=g))
    wave = tremolo * (0.6 * torch.sin(pitch * time) + second * torch.sin(2 * pitch * time + 1.0))
    return (wave + 0.01 * torch.randn(wave.shape, generator=g)).clamp(-1, 1)


def make_splits(raw=None, seed=0):
    wave = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(wave), generator=torch.Generator().manual_seed(seed))
    groups = {"train": order[:44], "val": order[44:50], "test": order[50:]}
    return {name: TensorDataset(compress(wave[rows]).reshape(-1, LENGTH)) for name, rows in groups.items()}


def model_inputs(batch):
    return (batch[0][:, :-1],)


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[0][:, 1:].flatten())


def train(model, splits, steps=250, batch_size=16, lr=3e-3):
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=steps)
    history = []
    model.train()
    while len(history) < steps:
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            optimizer.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Bits per sample, averaged over all predicted samples."""
    model.eval()
    nats, samples = 0.0, 0
    for batch in DataLoader(dataset, batch_size=32):
        target = batch[0][:, 1:]
        out = model(*model_inputs(batch))
        nats += F.cross_entropy(out.flatten(0, 1), target.flatten(), reduction="sum").item()
        samples += target.numel()
    return nats / samples / math.log(2)


@torch.no_grad()
def generate(model, levels, count, temperature=1.0, generator=None):
    """Continue clips by `count` samples drawn from the model; give amplitudes."""
    model.eval()
    for _ in range(count):
        logits = model(levels[:, -RECEPTIVE:])[:, -1]
        drawn = torch.multinomial((logits / temperature).softmax(dim=-1), 1, generator=generator)
        levels = torch.cat([levels, drawn], dim=1)
    return expand(levels)


def run(model, splits, steps=250):
    history = train(model, splits, steps=steps)
    clip = splits["test"][:2][0]
    sound = generate(model, clip[:, :RECEPTIVE], 16, temperature=0.8)
    return {"history": history, "test": evaluate(model, splits["test"]), "sound": sound}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print(result["history"][0], result["history"][-1], result["test"])
