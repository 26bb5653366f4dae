"""Knowledge distillation: a wide convolutional teacher is trained, then a small student learns from both
its softened predictions and the labels. Images are shifted at random in training."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

SIDE, CLASSES, TEMPERATURE, SOFT = 16, 6, 3.0, 0.7

META = {
    "name": "distill", "task": "classification", "num_classes": CLASSES,
    "inputs": [{"name": "x", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"}],
    "target": {"shape": ["B"], "dtype": "int64", "high": CLASSES},
    "batch": [
        {"name": "x", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"},
        {"name": "label", "shape": ["B"], "dtype": "int64", "high": CLASSES},
        {"name": "teacher_logits", "shape": ["B", CLASSES], "dtype": "float32"},
    ],
    "output_shape": ["B", CLASSES], "oracle": None, "causal": False, "claims": {},
}


class ConvNet(nn.Module):
    def __init__(self, width, dropout=0.0):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU(), nn.MaxPool2d(2),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * width, CLASSES)

    def forward(self, x):
        h = self.features(x).mean(dim=(2, 3))
        return self.head(self.dropout(h))


def build_model():
    """The student."""
    return ConvNet(width=6)


def build_teacher():
    return ConvNet(width=24, dropout=0.3)


def load_raw(seed=0):
    """Gratings in noise; phase and contrast are random.

    Classes 0, 1: horizontal, vertical. 2, 3: rising, falling diagonals, wide. 4, 5: the same, narrow.
    """
    g = torch.Generator().manual_seed(seed)
    n = 720
    y = torch.arange(n)[torch.randperm(n, generator=g)] % CLASSES
    angle = torch.tensor([0.0, 1.5708, 0.7854, 2.3562, 0.7854, 2.3562])[y] + 0.12 * torch.randn(n, generator=g)
    pace = torch.tensor([1.2, 1.2, 0.8, 0.8, 1.6, 1.6])[y]
    row, col = torch.meshgrid(torch.arange(SIDE).float(), torch.arange(SIDE).float(), indexing="ij")
    along = row * angle.cos()[:, None, None] + col * angle.sin()[:, None, None]
    wave = torch.sin(along * pace[:, None, None] + 6.28 * torch.rand(n, 1, 1, generator=g))
    contrast = 0.5 + torch.rand(n, 1, 1, generator=g)
    x = 120 + 40 * (contrast * wave + 1.8 * torch.randn(n, SIDE, SIDE, generator=g))
    return x[:, None], y


def make_splits(raw=None, seed=0):
    x, y = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": perm[:480], "val": perm[480:580], "test": perm[580:]}
    mean, std = x[parts["train"]].mean(), x[parts["train"]].std()
    return {k: TensorDataset((x[i] - mean) / std, y[i]) for k, i in parts.items()}


def augment(x):
    """Shift by up to two pixels."""
    top, left = (int(v) for v in torch.randint(0, 5, (2,)))
    return F.pad(x, (2, 2, 2, 2), mode="reflect")[:, :, top : top + SIDE, left : left + SIDE]


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    """Hinton et al.: the soft term is scaled by T squared to keep its gradient of the size of the hard term's."""
    student = F.log_softmax(out / TEMPERATURE, dim=1)
    teacher = F.softmax(batch[2] / TEMPERATURE, dim=1)
    soft = F.kl_div(student, teacher, reduction="batchmean") * TEMPERATURE**2
    hard = F.cross_entropy(out, batch[1])
    return SOFT * soft + (1 - SOFT) * hard


def train_teacher(dataset, steps, batch_size=48, lr=3e-3):
    teacher = build_teacher()
    opt = torch.optim.Adam(teacher.parameters(), lr=lr)
    loader = DataLoader(dataset, batch_size=batch_size, shuffle=True, drop_last=True)
    done = 0
    teacher.train()
    while done < steps:
        for x, y in loader:
            loss = F.cross_entropy(teacher(augment(x)), y, label_smoothing=0.05)
            opt.zero_grad()
            loss.backward()
            opt.step()
            done += 1
    return teacher.eval().requires_grad_(False)


def train(model, splits, steps=150, batch_size=48, lr=0.1):
    teacher = train_teacher(splits["train"], steps)
    opt = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=lr, total_steps=steps)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    it, history = iter(loader), []
    model.train()
    for _ in range(steps):
        try:
            x, y = next(it)
        except StopIteration:
            it = iter(loader)
            x, y = next(it)
        x = augment(x)
        with torch.no_grad():
            advice = teacher(x)
        batch = (x, y, advice)
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad()
        loss.backward()
        opt.step()
        schedule.step()
        history.append(loss.item())
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=64):
    """Accuracy averaged over the classes."""
    model.eval()
    predicted = torch.cat([model(x).argmax(dim=1) for x, _ in DataLoader(dataset, batch_size=batch_size)])
    truth = dataset.tensors[1]
    recall = [(predicted[truth == c] == c).float().mean() for c in range(CLASSES)]
    return torch.stack(recall).mean().item()


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "balanced accuracy", result["test"])
