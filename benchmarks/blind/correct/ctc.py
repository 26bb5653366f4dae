"""Speech recogniser: strided convolution, bidirectional GRU, CTC; greedy decoding, character error rate."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

VOCAB, BLANK, FEATS, FRAMES, CHARS = 9, 0, 12, 48, 6  # characters are 1..8
META = {
    "name": "ctc", "task": "transducer", "num_classes": VOCAB,
    "inputs": [
        {"name": "feats", "shape": ["B", FRAMES, FEATS], "dtype": "float32"},
        {"name": "mask", "shape": ["B", FRAMES], "dtype": "bool", "role": "padding_mask"},
    ],
    "batch": [
        {"name": "feats", "shape": ["B", FRAMES, FEATS], "dtype": "float32"},
        {"name": "mask", "shape": ["B", FRAMES], "dtype": "bool", "role": "padding_mask"},
        {"name": "text", "shape": ["B", CHARS], "dtype": "int64", "low": 1, "high": VOCAB},
        {"name": "text_len", "shape": ["B"], "dtype": "int64", "low": 1, "high": CHARS + 1},
    ],
    "output_shape": ["B", FRAMES // 2, VOCAB], "oracle": None, "causal": False, "claims": {},
}


class Recogniser(nn.Module):
    def __init__(self, dim=32):
        super().__init__()
        self.conv = nn.Conv1d(FEATS, dim, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(dim)
        self.rnn = nn.GRU(dim, dim, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * dim, VOCAB)

    def forward(self, feats, mask):
        x = feats * mask.unsqueeze(-1)
        x = self.conv(x.transpose(1, 2)).transpose(1, 2)  # (B, T/2, dim)
        x = F.gelu(self.norm(x))
        lengths = output_lengths(mask)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
        h, _ = self.rnn(packed)
        h, _ = nn.utils.rnn.pad_packed_sequence(h, batch_first=True, total_length=x.shape[1])
        return self.head(h)


def output_lengths(mask):
    return (mask.sum(1) + 1) // 2


def build_model():
    return Recogniser()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 220
    sound = 1.5 * torch.randn(VOCAB, FEATS, generator=g)
    feats = torch.zeros(n, FRAMES, FEATS)
    mask = torch.zeros(n, FRAMES, dtype=torch.bool)
    text = torch.zeros(n, CHARS, dtype=torch.int64)
    text_len = torch.randint(3, CHARS + 1, (n,), generator=g)
    for i in range(n):
        chars = torch.randint(1, VOCAB, (int(text_len[i]),), generator=g)
        text[i, :len(chars)] = chars
        frame = 0
        for c in chars.tolist():
            hold = int(torch.randint(4, 7, (1,), generator=g))
            feats[i, frame:frame + hold] = sound[c]
            frame += hold + 2  # two silent frames after each sound
        frame = min(frame, FRAMES)
        mask[i, :frame] = True
        feats[i, :frame] += 0.4 * torch.randn(frame, FEATS, generator=g) + 3.0
    return feats, mask, text, text_len


def make_splits(raw=None, seed=0):
    feats, mask, text, text_len = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(feats), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": order[:150], "val": order[150:180], "test": order[180:]}
    heard = feats[parts["train"]][mask[parts["train"]]]
    feats = (feats - heard.mean(0)) / heard.std(0) * mask.unsqueeze(-1)
    return {k: TensorDataset(feats[i], mask[i], text[i], text_len[i]) for k, i in parts.items()}


def spec_augment(feats):
    feats = feats.clone()
    start = int(torch.randint(0, FEATS - 2, (1,)))
    feats[:, :, start:start + 2] = 0.0
    return feats


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    _, mask, text, text_len = batch
    log_probs = F.log_softmax(out, dim=-1).transpose(0, 1)  # (T, B, V)
    return F.ctc_loss(log_probs, text, output_lengths(mask), text_len, blank=BLANK, zero_infinity=True)


def greedy_decode(out, mask):
    best = out.argmax(-1)
    texts = []
    for row, length in zip(best.tolist(), output_lengths(mask).tolist()):
        row = row[:length]
        merged = [c for i, c in enumerate(row) if i == 0 or c != row[i - 1]]
        texts.append([c for c in merged if c != BLANK])
    return texts


def edit_distance(a, b):
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (x != y)))
        previous = current
    return previous[-1]


def train(model, splits, steps=80, batch_size=25, lr=1e-2):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    history, step = [], 0
    while step < steps:
        model.train()
        for feats, *rest in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            if step == steps:
                break
            batch = (spec_augment(feats), *rest)
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            opt.step()
            history.append(loss.item())
            step += 1
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=16):
    """Character error rate: edits over reference characters, lower is better."""
    model.eval()
    edits, chars = 0, 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        decoded = greedy_decode(model(*model_inputs(batch)), batch[1])
        for hyp, ref, length in zip(decoded, batch[2].tolist(), batch[3].tolist()):
            edits += edit_distance(hyp, ref[:length])
            chars += length
    return edits / chars


def run(model, splits, steps=80):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
