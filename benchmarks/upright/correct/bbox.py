"""Single-object localisation: a small CNN regresses one box (cx, cy, w, h) with L1 + GIoU, scored by mean IoU."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "bbox", "task": "regression",
    "inputs": [{"name": "image", "shape": ["B", 1, 32, 32], "dtype": "float32"}],
    "target": {"shape": ["B", 4], "dtype": "uniform01"},
    "output_shape": ["B", 4], "oracle": "regression", "output_range": {"0": [0.0, 1.0]},
    "causal": False,
    "claims": {"params": 43748, "mflops": 0.803},
}
SIZE = 32


def corners(box):
    centre, half = box[..., :2], box[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def iou_and_giou(a, b, eps=1e-7):
    """Element-wise for boxes given as (cx, cy, w, h)."""
    a, b = corners(a), corners(b)
    area_a = (a[..., 2:] - a[..., :2]).prod(-1)
    area_b = (b[..., 2:] - b[..., :2]).prod(-1)
    inter = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = area_a + area_b - inter
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    iou = inter / (union + eps)
    return iou, iou - (hull - union) / (hull + eps)


def block(cin, cout):
    return nn.Sequential(nn.Conv2d(cin, cout, 3, stride=2, padding=1, bias=False), nn.GroupNorm(4, cout), nn.ReLU())


class BoxNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(block(1, 16), block(16, 24), block(24, 32))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32 * 4 * 4, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, image):
        return torch.sigmoid(self.head(self.features(image)))


def build_model():
    return BoxNet()


def load_raw(seed=0):
    """One filled rectangle on noise, with a thin bright line as a distractor."""
    g = torch.Generator().manual_seed(seed)
    n = 700
    wh = torch.randint(7, 17, (n, 2), generator=g)
    x0y0 = (torch.rand(n, 2, generator=g) * (SIZE - wh + 1)).long()
    level = 1.2 + 0.8 * torch.rand(n, 1, 1, generator=g)
    pix = torch.arange(SIZE)
    in_x = (pix >= x0y0[:, :1]) & (pix < x0y0[:, :1] + wh[:, :1])
    in_y = (pix >= x0y0[:, 1:]) & (pix < x0y0[:, 1:] + wh[:, 1:])
    image = level * (in_y[:, :, None] & in_x[:, None, :])
    row = torch.randint(SIZE, (n, 1, 1), generator=g)
    image = torch.maximum(image, 1.0 * (pix[None, :, None] == row))
    image = image + 0.3 * torch.randn(n, SIZE, SIZE, generator=g)
    box = torch.cat([x0y0 + wh / 2, wh.float()], dim=1) / SIZE
    return image[:, None] * 60 + 90, box


def make_splits(raw=None, seed=0):
    image, box = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(image), generator=torch.Generator().manual_seed(seed + 1))
    n_val = len(perm) // 7
    test, val, train = perm[:n_val], perm[n_val:2 * n_val], perm[2 * n_val:]
    mean, std = image[train].mean(), image[train].std()
    image = (image - mean) / std
    return {k: TensorDataset(image[i], box[i]) for k, i in (("train", train), ("val", val), ("test", test))}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    _, giou = iou_and_giou(out, batch[1])
    return 2.0 * F.l1_loss(out, batch[1]) + (1 - giou).mean()


def train(model, splits, steps=300, batch_size=32, lr=2e-3, eval_every=30):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-3)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=2 * lr, total_steps=steps)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history, best, best_state = [], -1.0, None
    for epoch in range(-(-steps // len(loader))):
        for batch in loader:
            if len(history) == steps:
                break
            model.train()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) % eval_every == 0 or len(history) == steps:
                score = evaluate(model, splits["val"])
                if score > best:
                    best, best_state = score, {k: v.detach().clone() for k, v in model.state_dict().items()}
    if best_state:
        model.load_state_dict(best_state)
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """mean IoU"""
    model.eval()
    total = 0.0
    for batch in DataLoader(dataset, batch_size=64):
        total += iou_and_giou(model(*model_inputs(batch)), batch[1])[0].sum().item()
    return total / len(dataset)


def run(model, splits, steps=300):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    splits = make_splits()
    mean_box = torch.stack([row[1] for row in splits["train"]]).mean(0)
    boxes = torch.stack([row[1] for row in splits["test"]])
    print("mean box IoU", iou_and_giou(mean_box.expand_as(boxes), boxes)[0].mean().item())
    print("model IoU", run(build_model(), splits)["test"])
