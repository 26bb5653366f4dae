"""Squeeze-and-excitation ResNet that tells arrows apart by direction; SGD with warm-up and cosine decay."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

CLASSES = 4  # left, right, up, down
META = {
    "name": "arrows", "task": "classification", "num_classes": CLASSES,
    "inputs": [{"name": "image", "shape": ["B", 3, 16, 16], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": CLASSES},
    "output_shape": ["B", CLASSES], "oracle": "onehot", "causal": False,
    "claims": {"residual_adds": 3},
}


class SqueezeExcite(nn.Module):
    def __init__(self, channels, reduction=4):
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x):
        s = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(s))))


class Block(nn.Module):
    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.se = SqueezeExcite(cout)
        self.short = nn.Identity()
        if stride != 1 or cin != cout:
            self.short = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        h = self.se(self.bn2(self.conv2(h)))
        return F.relu(h + self.short(x))


class SEResNet(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.layer1 = Block(width, width)
        self.layer2 = Block(width, 2 * width, stride=2)
        self.layer3 = Block(2 * width, 2 * width)
        self.drop = nn.Dropout(0.1)
        self.fc = nn.Linear(2 * width, CLASSES)

    def forward(self, image):
        x = self.stem(image)
        x = self.layer3(self.layer2(self.layer1(x)))
        x = x.mean((2, 3))
        return self.fc(self.drop(x))


def build_model():
    return SEResNet()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 240
    y = torch.randint(CLASSES, (n,), generator=g)
    x = 0.3 * torch.randn(n, 3, 16, 16, generator=g)
    for i in range(n):
        r, c = torch.randint(2, 10, (2,), generator=g).tolist()
        colour = 0.8 + 0.6 * torch.rand(3, 1, 1, generator=g)
        shaft = torch.zeros(16, 16)
        if y[i] < 2:
            shaft[r + 1:r + 3, c:c + 4] = 1
            side = slice(c - 1, c + 1) if y[i] == 0 else slice(c + 3, c + 5)
            shaft[r - 1:r + 5, side] = 1
        else:
            shaft[r:r + 4, c + 1:c + 3] = 1
            side = slice(r - 1, r + 1) if y[i] == 2 else slice(r + 3, r + 5)
            shaft[side, c - 1:c + 5] = 1
        x[i] += colour * shaft
    return x, y


def make_splits(raw=None, seed=0):
    x, y = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    train, val, test = order[:160], order[160:200], order[200:]
    mean = x[train].mean((0, 2, 3), keepdim=True)
    std = x[train].std((0, 2, 3), keepdim=True)
    x = (x - mean) / std
    return {"train": TensorDataset(x[train], y[train]), "val": TensorDataset(x[val], y[val]),
            "test": TensorDataset(x[test], y[test])}


def augment(x, y):
    """Shift by up to one pixel, and mirror, with the label."""
    dx, dy = torch.randint(-1, 2, (2,)).tolist()
    x = torch.roll(x, (dy, dx), dims=(2, 3))
    if torch.rand(()) < 0.5:
        x = x.flip(3)
        y = torch.where(y < 2, 1 - y, y)  # left becomes right
    return x, y


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[1], label_smoothing=0.05)


def param_groups(model, weight_decay=5e-4):
    decay = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": decay, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def train(model, splits, steps=60, batch_size=20, lr=0.1, warmup=5):
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    opt = torch.optim.SGD(param_groups(model), lr=lr, momentum=0.9, nesterov=True)

    def factor(step):
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    sched = torch.optim.lr_scheduler.LambdaLR(opt, factor)
    history, step = [], 0
    while step < steps:
        model.train()
        for x, y in loader:
            if step == steps:
                break
            batch = augment(x, y)
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            history.append(loss.item())
            step += 1
        evaluate(model, splits["val"])
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=16):
    model.eval()
    hits, seen = 0, 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        pred = model(*model_inputs(batch)).argmax(1)
        hits += (pred == batch[1]).sum().item()
        seen += len(pred)
    return hits / seen


def run(model, splits, steps=60):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
