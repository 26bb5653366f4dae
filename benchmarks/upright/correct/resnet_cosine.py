"""CIFAR-style ResNet with batch norm, SGD with Nesterov momentum, warm-up and cosine decay, flip-and-crop."""
import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

META = {
    "name": "resnet_cosine", "task": "classification", "num_classes": 6,
    "inputs": [{"name": "image", "shape": ["B", 3, 16, 16], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": 6},
    "output_shape": ["B", 6], "oracle": "onehot",
    "causal": False,
    "claims": {"residual_adds": 4, "params": 54498, "mflops": 4.885},
}
CLASSES, SIZE = 6, 16


def conv3x3(cin, cout, stride=1):
    return nn.Conv2d(cin, cout, 3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.conv1, self.bn1 = conv3x3(cin, cout, stride), nn.BatchNorm2d(cout)
        self.conv2, self.bn2 = conv3x3(cout, cout), nn.BatchNorm2d(cout)
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, 1, stride=stride, bias=False), nn.BatchNorm2d(cout))
        else:
            self.shortcut = nn.Identity()

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        return F.relu(h + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, width=12, classes=CLASSES):
        super().__init__()
        self.stem = nn.Sequential(conv3x3(3, width), nn.BatchNorm2d(width), nn.ReLU())
        self.stages = nn.Sequential(
            BasicBlock(width, width),
            BasicBlock(width, 2 * width, stride=2),
            BasicBlock(2 * width, 2 * width),
            BasicBlock(2 * width, 4 * width, stride=2),
        )
        self.fc = nn.Linear(4 * width, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image):
        h = self.stages(self.stem(image))
        return self.fc(h.mean(dim=(2, 3)))


def build_model():
    return ResNet()


def load_raw(seed=0):
    """Gratings: two spatial frequencies by three colours.  Direction, phase and noise are nuisances."""
    g = torch.Generator().manual_seed(seed)
    n = 480
    y = (torch.arange(n) % CLASSES)[torch.randperm(n, generator=g)]
    freq = torch.tensor([0.7, 1.4])[y % 2]
    colour = torch.tensor([[1.0, 0.4, 0.4], [0.4, 1.0, 0.4], [0.4, 0.4, 1.0]])[y // 2]
    theta = math.pi * torch.rand(n, generator=g)
    phase = 2 * math.pi * torch.rand(n, generator=g)
    rows, cols = torch.meshgrid(torch.arange(SIZE).float(), torch.arange(SIZE).float(), indexing="ij")
    along = theta.cos()[:, None, None] * rows + theta.sin()[:, None, None] * cols
    wave = torch.sin(freq[:, None, None] * along + phase[:, None, None])
    x = colour[:, :, None, None] * wave[:, None] + 0.7 * torch.randn(n, 3, SIZE, SIZE, generator=g)
    return x * 40 + 120, y


class Images(Dataset):
    """Normalised images; with `augment`, a random horizontal flip and a random crop after padding by two."""

    def __init__(self, x, y, augment=False):
        self.x, self.y, self.augment = x, y, augment

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        x = self.x[i]
        if self.augment:
            if torch.rand(()) < 0.5:
                x = x.flip(-1)
            top, left = torch.randint(0, 5, (2,)).tolist()
            x = F.pad(x, (2, 2, 2, 2))[:, top:top + SIZE, left:left + SIZE]
        return x, self.y[i]


def make_splits(raw=None, seed=0):
    x, y = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(y), generator=torch.Generator().manual_seed(1000 + seed))
    a, b = len(y) * 3 // 5, len(y) * 4 // 5
    train_i, val_i, test_i = perm[:a], perm[a:b], perm[b:]
    mean = x[train_i].mean((0, 2, 3)).view(1, 3, 1, 1)
    std = x[train_i].std((0, 2, 3)).view(1, 3, 1, 1)
    x = (x - mean) / std
    return {
        "train": Images(x[train_i], y[train_i], augment=True),
        "val": Images(x[val_i], y[val_i]),
        "test": Images(x[test_i], y[test_i]),
    }


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[1], label_smoothing=0.05)


def lr_at(step, total, peak, warmup):
    if step < warmup:
        return peak * (step + 1) / warmup
    return 0.5 * peak * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def train(model, splits, steps=130, batch_size=32, lr=0.08, warmup=8, eval_every=30):
    no_decay = [p for p in model.parameters() if p.ndim == 1]
    decay = [p for p in model.parameters() if p.ndim > 1]
    opt = torch.optim.SGD(
        [{"params": decay, "weight_decay": 5e-4}, {"params": no_decay, "weight_decay": 0.0}],
        lr=lr, momentum=0.9, nesterov=True,
    )
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history, step = [], 0
    while step < steps:
        for batch in loader:
            if step >= steps:
                break
            model.train()
            for group in opt.param_groups:
                group["lr"] = lr_at(step, steps, lr, warmup)
            opt.zero_grad(set_to_none=True)
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            opt.step()
            history.append(loss.item())
            step += 1
            if step % eval_every == 0:
                print(f"step {step}: val accuracy {evaluate(model, splits['val']):.3f}")
    return history


@torch.inference_mode()
def evaluate(model, dataset, batch_size=50):
    was_training = model.training
    model.eval()
    correct = sum(
        (model(*model_inputs(b)).argmax(1) == b[1]).sum().item() for b in DataLoader(dataset, batch_size=batch_size)
    )
    model.train(was_training)
    return correct / len(dataset)


def run(model, splits, steps=130):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("test accuracy", run(build_model(), make_splits())["test"])
