"""Metric learning on heartbeats: 1-d convolutions, batch-hard triplets, people in the test set were never seen."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

SAMPLES, PEOPLE, EMBED = 48, 40, 16
META = {
    "name": "triplet", "task": "contrastive",
    "inputs": [{"name": "beat", "shape": ["B", 1, SAMPLES], "dtype": "float32"}],
    "target": {"name": "person", "shape": ["B"], "dtype": "int64", "low": 0, "high": PEOPLE},
    "output_shape": ["B", EMBED], "oracle": None, "causal": False, "claims": {"unit_norm": True},
}


class Embedder(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(1, width, 7, padding=3), nn.GroupNorm(4, width), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(width, 2 * width, 5, padding=2), nn.GroupNorm(4, 2 * width), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(2 * width, 2 * width, 3, padding=1), nn.ReLU(),
        )
        self.fc = nn.Linear(4 * width, EMBED)

    def forward(self, beat):
        h = self.body(beat)
        pooled = torch.cat([h.mean(dim=-1), h.amax(dim=-1)], dim=1)
        return F.normalize(self.fc(pooled), dim=1)


def build_model():
    return Embedder()


class PKBatches:
    """Batches of `p` people with `k` beats each."""

    def __init__(self, people, p, k, batches):
        self.people, self.p, self.k, self.batches = people, p, k, batches
        self.names = people.unique()

    def __len__(self):
        return self.batches

    def __iter__(self):
        for _ in range(self.batches):
            chosen = self.names[torch.randperm(len(self.names))[:self.p]]
            rows = []
            for person in chosen:
                own = (self.people == person).nonzero().flatten()
                rows.append(own[torch.randperm(len(own))[:self.k]])
            yield torch.cat(rows).tolist()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    time = torch.linspace(0, 1, SAMPLES)
    centre = 0.5 + 0.22 * (2 * torch.rand(PEOPLE, 3, generator=g) - 1)
    height = 0.6 + 1.2 * torch.rand(PEOPLE, 3, generator=g)
    width = 0.02 + 0.05 * torch.rand(PEOPLE, 3, generator=g)
    sign = torch.tensor([1.0, -1.0, 1.0])
    person = torch.arange(PEOPLE).repeat_interleave(14)
    late = 0.12 * (2 * torch.rand(len(person), 1, generator=g) - 1)
    moved = time + late  # the beat starts a little earlier or later each time
    bumps = torch.exp(-0.5 * ((moved[:, None, :] - centre[person][:, :, None]) / width[person][:, :, None]) ** 2)
    beat = (sign[:, None] * height[person][:, :, None] * bumps).sum(dim=1)
    gain = 0.5 + torch.rand(len(person), 1, generator=g)
    breath = 0.3 * torch.sin(2 * torch.pi * (time + torch.rand(len(person), 1, generator=g)))  # moves the baseline
    beat = gain * (beat + breath) + 0.1 * torch.randn(beat.shape, generator=g)
    return beat.unsqueeze(1), person


def make_splits(raw=None, seed=0):
    beats, person = load_raw(seed) if raw is None else raw
    beats = (beats - beats.mean(-1, keepdim=True)) / beats.std(-1, keepdim=True)
    parts = {"train": person < 24, "val": (person >= 24) & (person < 30), "test": person >= 30}
    return {name: TensorDataset(beats[rows], person[rows]) for name, rows in parts.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch, margin=0.3):
    """Batch-hard triplet loss (arXiv 1703.07737): farthest of the same person, nearest of another."""
    person = batch[1]
    distance = (2 - 2 * out @ out.T).clamp(min=1e-6).sqrt()
    same = person[:, None] == person[None, :]
    positive = distance.masked_fill(~same, 0.0).amax(dim=1)
    negative = distance.masked_fill(same, float("inf")).amin(dim=1).clamp(max=2.0)
    return F.relu(positive - negative + margin).mean()


def train(model, splits, steps=160, p=8, k=4, lr=2e-3):
    person = splits["train"].tensors[1]
    loader = DataLoader(splits["train"], batch_sampler=PKBatches(person, p, k, batches=50))
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    decay = torch.optim.lr_scheduler.StepLR(opt, step_size=1, gamma=0.7)  # once an epoch of 50 batches
    history = []
    model.train()
    while len(history) < steps:
        for beat, who in loader:
            batch = (beat + 0.05 * torch.randn_like(beat), who)
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) >= steps:
                break
        decay.step()
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Recall at 1: is the nearest other beat one of the same person?"""
    model.eval()
    embeddings = torch.cat([model(*model_inputs(batch)) for batch in DataLoader(dataset, batch_size=64)])
    person = torch.cat([batch[1] for batch in DataLoader(dataset, batch_size=64)])
    similarity = embeddings @ embeddings.T
    similarity.fill_diagonal_(-2.0)
    nearest = similarity.argmax(dim=1)
    return (person[nearest] == person).float().mean().item()


def run(model, splits, steps=160):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test recall@1", result["test"])
