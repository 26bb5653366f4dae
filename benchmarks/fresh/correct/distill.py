"""Knowledge distillation: a small residual network learns pictures with noisy labels from a teacher's soft answers."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

SIDE, CLASSES, TEMPERATURE, ALPHA = 12, 8, 4.0, 0.9
META = {
    "name": "distill", "task": "classification", "num_classes": CLASSES,
    "inputs": [{"name": "image", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"}],
    "batch": [
        {"name": "image", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"},
        {"name": "label", "shape": ["B"], "dtype": "int64", "low": 0, "high": CLASSES},
        {"name": "teacher", "shape": ["B", CLASSES], "dtype": "float32"},
    ],
    "output_shape": ["B", CLASSES], "oracle": None, "causal": False, "claims": {"residual_adds": 2},
}


class ResidualBlock(nn.Module):
    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.shortcut = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        return F.relu(h + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.stage1 = ResidualBlock(width, width, 1)
        self.stage2 = ResidualBlock(width, 2 * width, 2)
        self.fc = nn.Linear(2 * width * 9, CLASSES)

    def forward(self, image):
        x = self.stage2(self.stage1(self.stem(image)))
        x = F.avg_pool2d(x, 2)  # (B, channels, 3, 3)
        return self.fc(x.flatten(1))


def build_model():
    return ResNet()


def train_teacher(images, labels, epochs=20, batch_size=50):
    """A wide perceptron with dropout, on the archive of clean labels."""
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.5),
                            nn.Linear(256, CLASSES))
    opt = torch.optim.AdamW(teacher.parameters(), lr=3e-3, weight_decay=0.01)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch_size):
            opt.zero_grad()
            F.cross_entropy(teacher(images[rows]), labels[rows]).backward()
            opt.step()
    return teacher


@torch.no_grad()
def soft_answers(teacher, images):
    teacher.eval()
    return torch.cat([teacher(part) for part in images.split(100)])


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 1200
    shapes = F.interpolate(torch.randn(CLASSES, 1, 4, 4, generator=g), SIDE, mode="bicubic").squeeze(1)
    truth = torch.randint(0, CLASSES, (n,), generator=g)
    images = torch.zeros(n, 1, SIDE, SIDE)
    for i in range(n):
        dy, dx = torch.randint(-1, 2, (2,), generator=g).tolist()
        other = shapes[int(torch.randint(0, CLASSES, (1,), generator=g))]
        mix = 0.45 * float(torch.rand(1, generator=g))  # something of another class shines through
        images[i, 0] = ((1 - mix) * shapes[truth[i]] + mix * other).roll((dy, dx), (0, 1))
    images = 0.5 + 0.2 * (images + 0.8 * torch.randn(images.shape, generator=g))
    wrong = torch.rand(n, generator=g) < 0.4
    crowd = torch.where(wrong, torch.randint(0, CLASSES, (n,), generator=g), truth)
    return images, truth, crowd


def make_splits(raw=None, seed=0):
    """The first 400 pictures are the teacher's archive; the student has the crowd's labels of others."""
    images, truth, crowd = load_raw(seed) if raw is None else raw
    archive, rows = slice(0, 400), {"train": slice(400, 800), "val": slice(800, 900), "test": slice(900, 1200)}
    images = (images - images[:800].mean()) / images[:800].std()
    teacher = train_teacher(images[archive], truth[archive])
    labels = {"train": crowd, "val": truth, "test": truth}
    return {name: TensorDataset(images[r], labels[name][r], soft_answers(teacher, images[r]))
            for name, r in rows.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    """Hinton et al., arXiv 1503.02531: soft targets at a temperature, scaled by its square, and some hard labels."""
    _, label, teacher = batch
    soft = F.kl_div(F.log_softmax(out / TEMPERATURE, dim=1), F.softmax(teacher / TEMPERATURE, dim=1),
                    reduction="batchmean") * TEMPERATURE ** 2
    hard = F.cross_entropy(out, label)
    return ALPHA * soft + (1 - ALPHA) * hard


def train(model, splits, steps=100, batch_size=40, lr=0.05):
    decay, rest = [], []
    for name, parameter in model.named_parameters():
        (rest if parameter.ndim == 1 else decay).append(parameter)
    opt = torch.optim.SGD([{"params": decay, "weight_decay": 5e-4}, {"params": rest, "weight_decay": 0.0}],
                          lr=lr, momentum=0.9)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    epochs = -(-steps // len(loader))
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=epochs)
    history = []
    for _ in range(epochs):
        model.train()
        for batch in loader:
            if len(history) == steps:
                break
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            opt.step()
            history.append(loss.item())
        sched.step()
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Accuracy against the labels of the data set."""
    model.eval()
    hits = [model(*model_inputs(batch)).argmax(1) == batch[1] for batch in DataLoader(dataset, batch_size=64)]
    return torch.cat(hits).float().mean().item()


def run(model, splits, steps=100):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test accuracy", result["test"])
