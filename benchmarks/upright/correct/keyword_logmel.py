"""Keyword spotting on synthetic waveforms: hand-written log-mel front end, SpecAugment, CNN, split by speaker."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "keyword_logmel", "task": "classification", "num_classes": 6,
    "inputs": [{"name": "wave", "shape": ["B", 2000], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": 6},
    "output_shape": ["B", 6], "oracle": "onehot",
    "causal": False,
    "claims": {"params": 8902},
}
RATE, SAMPLES, CLASSES, SPEAKERS = 4000, 2000, 6, 20


def hz_to_mel(hz):
    return 2595.0 * math.log10(1.0 + hz / 700.0)


def mel_filters(n_mels, n_fft, rate, low=60.0):
    """(n_fft // 2 + 1, n_mels) triangular filters, evenly spaced on the mel scale"""
    mels = torch.linspace(hz_to_mel(low), hz_to_mel(rate / 2), n_mels + 2)
    hz = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    bins = torch.linspace(0, rate / 2, n_fft // 2 + 1)
    left, centre, right = hz[:-2], hz[1:-1], hz[2:]
    rise = (bins[:, None] - left) / (centre - left)
    fall = (right - bins[:, None]) / (right - centre)
    return torch.minimum(rise, fall).clamp(min=0)


class LogMel(nn.Module):
    def __init__(self, n_fft=160, hop=80, n_mels=20):
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft))
        self.register_buffer("filters", mel_filters(n_mels, n_fft, RATE))

    def forward(self, wave):
        frames = wave.unfold(-1, self.n_fft, self.hop) * self.window
        power = torch.fft.rfft(frames).abs().square()
        return torch.log(power @ self.filters + 1e-4).transpose(1, 2)  # (B, mels, frames)


class SpecAugment(nn.Module):
    """In training, blank one random band and one random stretch of time of each example (zero is the mean here)."""

    def __init__(self, max_band=4, max_time=5):
        super().__init__()
        self.max_band, self.max_time = max_band, max_time

    @staticmethod
    def span(batch, size, longest, device):
        width = torch.randint(0, longest + 1, (batch, 1), device=device)
        start = (torch.rand(batch, 1, device=device) * (size - width + 1)).long()
        place = torch.arange(size, device=device)
        return (place >= start) & (place < start + width)

    def forward(self, mel):
        if not self.training:
            return mel
        b, f, t = mel.shape
        band = self.span(b, f, self.max_band, mel.device)[:, :, None]
        time = self.span(b, t, self.max_time, mel.device)[:, None, :]
        return mel.masked_fill(band | time, 0.0)


class KeywordNet(nn.Module):
    def __init__(self, mels=20, width=32):
        super().__init__()
        self.front = LogMel(n_mels=mels)
        self.norm = nn.BatchNorm1d(mels, affine=False)  # each mel band to zero mean and unit variance
        self.augment = SpecAugment()
        self.body = nn.Sequential(
            nn.Conv1d(mels, width, 5, padding=2), nn.BatchNorm1d(width), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(width, width, 5, padding=2), nn.BatchNorm1d(width), nn.ReLU(), nn.MaxPool1d(2),
        )
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(2 * width, CLASSES))

    def forward(self, wave):
        h = self.body(self.augment(self.norm(self.front(wave))))
        return self.head(torch.cat([h.mean(dim=-1), h.amax(dim=-1)], dim=-1))


def build_model():
    return KeywordNet()


def load_raw(seed=0):
    """Six "words": rising, falling, up-down, down-up, flat and two-step pitch contours, with two harmonics.

    Speakers differ in base pitch; utterances in onset, length, loudness and noise.
    """
    g = torch.Generator().manual_seed(seed)
    n = 600
    y = torch.arange(n) % CLASSES
    speaker = torch.arange(n) // CLASSES % SPEAKERS
    base = (250 + 250 * torch.rand(SPEAKERS, generator=g))[speaker]
    onset = 0.03 + 0.06 * torch.rand(n, 1, generator=g)
    length = 0.28 + 0.1 * torch.rand(n, 1, generator=g)
    clock = torch.arange(SAMPLES) / RATE
    u = (clock - onset) / length
    inside = ((u >= 0) & (u <= 1)).float()
    u = u.clamp(0, 1)
    tent = 1 - (2 * u - 1).abs()
    shapes = torch.stack([u, 1 - u, tent, 1 - tent, torch.full_like(u, 0.5), (u > 0.5).float()])
    pitch = base[:, None] * 2 ** shapes[y, torch.arange(n)]
    phase = 2 * math.pi * torch.cumsum(pitch / RATE, dim=1) + 2 * math.pi * torch.rand(n, 1, generator=g)
    envelope = inside * torch.sin(math.pi * u).clamp(min=0).sqrt()
    loud = 0.5 + torch.rand(n, 1, generator=g)
    wave = loud * envelope * (phase.sin() + 0.5 * (2 * phase).sin())
    return wave + 0.15 * torch.randn(n, SAMPLES, generator=g), y, speaker


def make_splits(raw=None, seed=0):
    """Test and validation speakers are never heard in training."""
    wave, y, speaker = load_raw(seed) if raw is None else raw
    order = torch.randperm(SPEAKERS, generator=torch.Generator().manual_seed(seed + 1))
    groups = {"train": order[:12], "val": order[12:16], "test": order[16:]}
    rows = {k: torch.isin(speaker, who).nonzero().squeeze(1) for k, who in groups.items()}
    scale = wave[rows["train"]].std()
    return {k: TensorDataset(wave[r] / scale, y[r]) for k, r in rows.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[1])


def train(model, splits, steps=150, batch_size=32, lr=4e-3):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-2)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=steps)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history = []
    while len(history) < steps:
        model.train()
        for wave, y in loader:
            wave = wave.roll(int(torch.randint(-100, 101, ())), dims=-1)  # a 25 ms shift at most; only noise wraps round
            batch = (wave, y)
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset):
    model.eval()
    correct = 0
    for batch in DataLoader(dataset, batch_size=60):
        correct += (model(*model_inputs(batch)).argmax(dim=1) == batch[1]).sum().item()
    return correct / len(dataset)


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("accuracy on new speakers", run(build_model(), make_splits())["test"])
