"""Keyword transcription with CTC: strided convolution, bidirectional GRU, greedy collapse, token error rate."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, TensorDataset

BLANK, CLASSES, MELS, FRAMES, LABELS = 0, 7, 12, 48, 5

META = {
    "name": "ctc", "task": "transducer", "num_classes": CLASSES,
    "inputs": [
        {"name": "mel", "shape": ["B", FRAMES, MELS], "dtype": "float32"},
        {"name": "frames", "shape": ["B"], "dtype": "int64", "low": 40, "high": FRAMES},
    ],
    "batch": [
        {"name": "mel", "shape": ["B", FRAMES, MELS], "dtype": "float32"},
        {"name": "frames", "shape": ["B"], "dtype": "int64", "low": 40, "high": FRAMES},
        {"name": "labels", "shape": ["B", LABELS], "dtype": "int64", "low": 1, "high": CLASSES},
        {"name": "label_lengths", "shape": ["B"], "dtype": "int64", "low": 2, "high": LABELS},
    ],
    "output_shape": ["B", FRAMES // 2, CLASSES], "oracle": None, "causal": False, "claims": {},
}


def subsampled(frames):
    """Number of valid frames after the convolution of stride two."""
    return torch.div(frames + 1, 2, rounding_mode="floor")


class Transcriber(nn.Module):
    def __init__(self, hidden=40):
        super().__init__()
        self.conv = nn.Conv1d(MELS, hidden, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(hidden)
        self.rnn = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, CLASSES)

    def augment(self, mel):
        """SpecAugment: one band of mel channels is silenced for each clip."""
        start = torch.randint(0, MELS - 2, (len(mel), 1), device=mel.device)
        band = torch.arange(MELS, device=mel.device)[None]
        hidden = (band >= start) & (band < start + 2)
        return mel.masked_fill(hidden[:, None], 0.0)

    def forward(self, mel, frames):
        if self.training:
            mel = self.augment(mel)
        h = F.gelu(self.norm(self.conv(mel.transpose(1, 2)).transpose(1, 2)))
        packed = pack_padded_sequence(h, subsampled(frames).cpu(), batch_first=True, enforce_sorted=False)
        h, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=h.shape[1])
        return self.head(h)


def build_model():
    return Transcriber()


def load_raw(seed=0):
    """Each label is a spectral shape that lasts some frames; equal neighbours are separated by a pause."""
    g = torch.Generator().manual_seed(seed)
    n, shapes = 500, torch.randn(CLASSES, MELS, generator=g) * 1.5
    shapes[BLANK] = 0.0
    mel, frames = torch.zeros(n, FRAMES, MELS), torch.zeros(n, dtype=torch.long)
    labels, lengths = torch.zeros(n, LABELS, dtype=torch.long), torch.zeros(n, dtype=torch.long)
    for i in range(n):
        k = int(torch.randint(2, LABELS + 1, (1,), generator=g))
        labels[i, :k], lengths[i] = torch.randint(1, CLASSES, (k,), generator=g), k
        at = int(torch.randint(1, 4, (1,), generator=g))
        for token in labels[i, :k]:
            width = int(torch.randint(4, 7, (1,), generator=g))
            mel[i, at : at + width] = shapes[token]
            at += width + int(torch.randint(2, 4, (1,), generator=g))
        frames[i] = min(at, FRAMES)
        mel[i, : frames[i]] += 0.7 * torch.randn(int(frames[i]), MELS, generator=g)
    return mel, frames, labels, lengths


def make_splits(raw=None, seed=0):
    mel, frames, labels, lengths = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(mel), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": perm[:350], "val": perm[350:400], "test": perm[400:]}
    # Statistics of the speech frames only: padding is exactly zero before and after.
    valid = torch.arange(FRAMES)[None] < frames[:, None]
    speech = mel[parts["train"]][valid[parts["train"]]]
    mel = ((mel - speech.mean(0)) / speech.std(0)) * valid[:, :, None]
    return {k: TensorDataset(mel[i], frames[i], labels[i], lengths[i]) for k, i in parts.items()}


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    log_probs = out.log_softmax(dim=-1).transpose(0, 1)
    return F.ctc_loss(log_probs, batch[2], subsampled(batch[1]), batch[3], blank=BLANK, zero_infinity=True)


def train(model, splits, steps=150, batch_size=32, lr=5e-3):
    opt = torch.optim.AdamW(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=lr, total_steps=steps)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history = []
    model.train()
    while len(history) < steps:
        for batch in loader:
            opt.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            opt.step()
            schedule.step()
            history.append(loss.item())
            if len(history) >= steps:
                break
    return history


def collapse(path):
    """Merge repeats, then drop blanks."""
    merged = [p for i, p in enumerate(path) if i == 0 or p != path[i - 1]]
    return [p for p in merged if p != BLANK]


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


@torch.no_grad()
def evaluate(model, dataset, batch_size=50):
    """Token error rate: edits divided by the number of reference tokens."""
    model.eval()
    errors = tokens = 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        paths, valid = model(*model_inputs(batch)).argmax(dim=-1), subsampled(batch[1])
        for path, n, labels, k in zip(paths, valid, batch[2], batch[3]):
            guess, truth = collapse(path[:n].tolist()), labels[:k].tolist()
            errors += edit_distance(guess, truth)
            tokens += len(truth)
    return errors / tokens


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "token error rate", result["test"])
