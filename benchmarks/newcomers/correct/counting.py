"""Counting cells in microscope images by regressing a density map whose sum is the count."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

SIZE, STRIDE = 32, 2

META = {
    "name": "counting", "task": "regression",
    "inputs": [{"name": "image", "shape": ["B", 1, SIZE, SIZE], "dtype": "float32"}],
    "target": {"shape": ["B", 1, SIZE // STRIDE, SIZE // STRIDE], "dtype": "float32"},
    "batch": [
        {"name": "image", "shape": ["B", 1, SIZE, SIZE], "dtype": "float32"},
        {"name": "density", "shape": ["B", 1, SIZE // STRIDE, SIZE // STRIDE], "dtype": "float32"},
        {"name": "count", "shape": ["B"], "dtype": "float32"},
    ],
    "output_shape": ["B", 1, SIZE // STRIDE, SIZE // STRIDE], "oracle": "regression", "causal": False, "claims": {},
}
WEIGHT = 100.0  # density values are small: the loss compares maps scaled by this


def conv(cin, cout, stride=1):
    return nn.Sequential(nn.Conv2d(cin, cout, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(cout), nn.ReLU())


class DensityNet(nn.Module):
    def __init__(self, width=12):
        super().__init__()
        self.stem = conv(1, width, stride=STRIDE)
        self.down = nn.Sequential(conv(width, 2 * width, stride=2), conv(2 * width, 2 * width))
        self.up = conv(3 * width, width)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, image):
        fine = self.stem(image)
        coarse = F.interpolate(self.down(fine), scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(self.up(torch.cat([fine, coarse], dim=1))) / WEIGHT


def build_model():
    return DensityNet()


def load_raw(seed=0):
    """Bright discs of different sizes on an uneven background, with the centre of each."""
    g = torch.Generator().manual_seed(seed)
    n, most = 400, 12
    grid = torch.arange(SIZE).float()
    count = torch.randint(1, most + 1, (n,), generator=g)
    centre = 3 + (SIZE - 7) * torch.rand(n, most, 2, generator=g)
    present = torch.arange(most)[None] < count[:, None]
    width = 1.0 + 0.8 * torch.rand(n, most, 1, 1, generator=g)
    dy = (grid[None, None, :, None] - centre[:, :, 0, None, None]) ** 2
    dx = (grid[None, None, None, :] - centre[:, :, 1, None, None]) ** 2
    cells = (torch.exp(-(dy + dx) / (2 * width**2)) * present[:, :, None, None]).amax(dim=1)
    background = 0.5 * torch.rand(n, 1, 1, generator=g) + 0.3 * grid[None, None] / SIZE
    image = 80 * (cells + background + 0.08 * torch.randn(n, SIZE, SIZE, generator=g))
    dot = torch.exp(-(dy + dx) / (2 * 1.5**2))
    dot = dot / dot.sum(dim=(2, 3), keepdim=True)  # every cell has mass one
    density = (dot * present[:, :, None, None]).sum(dim=1)
    return image[:, None], density[:, None], count.float()


def make_splits(raw=None, seed=0):
    image, density, count = load_raw(seed) if raw is None else raw
    # Sum over each 2 x 2 square, so that the map keeps its mass.
    density = F.avg_pool2d(density, STRIDE) * STRIDE**2
    perm = torch.randperm(len(image), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": perm[:280], "val": perm[280:320], "test": perm[320:]}
    mean, std = image[parts["train"]].mean(), image[parts["train"]].std()
    image = (image - mean) / std
    return {k: TensorDataset(image[i], density[i], count[i]) for k, i in parts.items()}


def augment(image, density):
    """Random mirror images of the batch; the map follows the picture."""
    if torch.rand(()) < 0.5:
        image, density = image.flip(-1), density.flip(-1)
    if torch.rand(()) < 0.5:
        image, density = image.flip(-2), density.flip(-2)
    return image, density


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.mse_loss(out * WEIGHT, batch[1] * WEIGHT)


def train(model, splits, steps=200, batch_size=32, lr=3e-3, eval_every=20):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-4)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, mode="min", factor=0.5, patience=2)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    it, history = iter(loader), []
    for step in range(steps):
        model.train()
        try:
            image, density, count = next(it)
        except StopIteration:
            it = iter(loader)
            image, density, count = next(it)
        image, density = augment(image, density)
        batch = (image, density, count)
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad()
        loss.backward()
        opt.step()
        history.append(loss.item())
        if (step + 1) % eval_every == 0:
            plateau.step(evaluate(model, splits["val"]))
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=40):
    """Mean absolute error of the count."""
    model.eval()
    error = 0.0
    for batch in DataLoader(dataset, batch_size=batch_size):
        guess = model(*model_inputs(batch)).sum(dim=(1, 2, 3))
        error += (guess - batch[2]).abs().sum().item()
    return error / len(dataset)


def run(model, splits, steps=200):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "count MAE", result["test"])
