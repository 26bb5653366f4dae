"""Two tasks, one trunk: name the shape and measure its size; losses weighed by learnt uncertainty (Kendall et al. 2018)."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

SIDE, SHAPES = 20, 3  # disc, square, cross

META = {
    "name": "multitask", "task": "classification", "num_classes": SHAPES,
    "inputs": [{"name": "image", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"}],
    "batch": [
        {"name": "image", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"},
        {"name": "shape", "shape": ["B"], "dtype": "int64", "high": SHAPES},
        {"name": "size", "shape": ["B"], "dtype": "float32"},
    ],
    "output_shape": [["B", SHAPES], ["B"], [2]], "oracle": None, "causal": False,
    "claims": {"params": 20598, "mflops": 1.510},
}


class MultiTask(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        trunk, cin = [], 1
        for cout in (width, 2 * width, 2 * width):
            trunk += [nn.Conv2d(cin, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU(), nn.MaxPool2d(2)]
            cin = cout
        self.trunk = nn.Sequential(*trunk, nn.Flatten(), nn.Linear(cin * (SIDE // 8) ** 2, 48), nn.ReLU())
        self.classify, self.measure = nn.Linear(48, SHAPES), nn.Linear(48, 1)
        self.log_var = nn.Parameter(torch.zeros(2))  # log sigma^2 of (classification, regression)

    def forward(self, image):
        h = self.trunk(image)
        return self.classify(h), self.measure(h).squeeze(-1), self.log_var


def build_model():
    return MultiTask()


def load_raw(seed=0, n=800):
    g = torch.Generator().manual_seed(seed)
    shape = torch.randint(SHAPES, (n,), generator=g)
    radius = 2.5 + 3.5 * torch.rand(n, 1, 1, generator=g)
    cy, cx = (7 + (SIDE - 14) * torch.rand(n, 1, 1, generator=g) for _ in range(2))
    dy = (torch.arange(SIDE).view(1, -1, 1) - cy).abs()
    dx = (torch.arange(SIDE).view(1, 1, -1) - cx).abs()
    disc = dy ** 2 + dx ** 2 < radius ** 2
    square = torch.maximum(dy, dx) < radius
    cross = square & (torch.minimum(dy, dx) < 1.2)
    figure = torch.stack([disc, square, cross], dim=1)[torch.arange(n), shape].float()
    image = figure + 0.3 * torch.randn(n, SIDE, SIDE, generator=g)
    return image[:, None], shape, radius.flatten()


def make_splits(raw=None, seed=0):
    image, shape, size = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(image), generator=torch.Generator().manual_seed(seed + 1))
    tr, va, te = perm[:500], perm[500:600], perm[600:]
    image = (image - image[tr].mean()) / image[tr].std()
    size = (size - size[tr].mean()) / size[tr].std()
    return {k: TensorDataset(image[i], shape[i], size[i]) for k, i in (("train", tr), ("val", va), ("test", te))}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    logits, size, log_var = out
    ce = F.cross_entropy(logits, batch[1])
    mse = F.mse_loss(size, batch[2])
    weight = torch.exp(-log_var)
    return weight[0] * ce + 0.5 * weight[1] * mse + 0.5 * log_var.sum()


def train(model, splits, steps=200, batch_size=32, lr=2e-3):
    others = [p for name, p in model.named_parameters() if name != "log_var"]
    opt = torch.optim.AdamW([{"params": others, "weight_decay": 1e-2},
                             {"params": [model.log_var], "weight_decay": 0.0, "lr": 5 * lr}], lr=lr)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=steps)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True,
                        drop_last=len(splits["train"]) > batch_size)
    history = []
    model.train()
    while len(history) < steps:
        for batch in loader:
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def scores(model, dataset):
    """(accuracy of the shape, R squared of the size)"""
    model.eval()
    hits, guess, truth = 0, [], []
    for batch in DataLoader(dataset, batch_size=100):
        logits, size, _ = model(*model_inputs(batch))
        hits += (logits.argmax(dim=1) == batch[1]).sum().item()
        guess.append(size)
        truth.append(batch[2])
    guess, truth = torch.cat(guess), torch.cat(truth)
    r2 = 1 - (guess - truth).square().sum() / (truth - truth.mean()).square().sum()
    return hits / len(dataset), r2.item()


def evaluate(model, dataset):
    """Mean of accuracy and R squared: 1 is perfect on both tasks."""
    accuracy, r2 = scores(model, dataset)
    return 0.5 * (accuracy + r2)


def run(model, splits, steps=200):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    net, data = build_model(), make_splits()
    run(net, data)
    print("accuracy %.3f, R2 %.3f" % scores(net, data["test"]), "log variances", net.log_var.tolist())
