"""A convolutional classifier of small images with two kinds of pattern."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "classifier",
    "task": "classification",
    "inputs": [{"name": "images", "shape": ["B", 1, 8, 8], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": 4},
    "output_shape": ["B", 4],
    "oracle": "onehot",
}


class Classifier(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Linear(width * 16, 4)

    def forward(self, images):
        hidden = F.max_pool2d(F.relu(self.norm(self.first(images))), 2)  # (batch, width, 4, 4)
        hidden = hidden + F.relu(self.second(hidden))
        return self.head(hidden.flatten(1))


def build_model():
    return Classifier()


def load_raw(seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (160,), generator=generator)
    rows = torch.linspace(0, 3.1, 8)
    waves = torch.stack([torch.sin((label + 1) * rows) for label in labels.tolist()])  # (160, 8)
    images = waves[:, None, :, None] * waves[:, None, None, :]
    return images + 0.2 * torch.randn(160, 1, 8, 8, generator=generator), labels


def make_splits(raw=None, seed=0):
    images, labels = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": order[:100], "val": order[100:130], "test": order[130:]}
    mean, deviation = images[parts["train"]].mean(), images[parts["train"]].std()
    images = (images - mean) / deviation
    return {name: TensorDataset(images[rows], labels[rows]) for name, rows in parts.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[-1])


def train(model, splits, steps=40, batch_size=20, learning_rate=3e-3):
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    history = []
    model.train()
    while len(history) < steps:
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
    return history


@torch.no_grad()
def evaluate(model, dataset):
    model.eval()
    right = 0
    for batch in DataLoader(dataset, batch_size=16):
        right += (model(*model_inputs(batch)).argmax(1) == batch[-1]).sum().item()
    model.train()
    return right / len(dataset)


def run(model, splits, steps=40):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}
