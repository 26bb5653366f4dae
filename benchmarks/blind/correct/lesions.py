"""Small U-Net for tiles of slides, cross-entropy plus Dice, unlabelled pixels ignored; mean IoU of the split."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

CLASSES, SIDE, IGNORE, TILES = 3, 16, 255, 4
META = {
    "name": "lesions", "task": "segmentation", "num_classes": CLASSES,
    "inputs": [{"name": "tile", "shape": ["B", 3, SIDE, SIDE], "dtype": "float32"}],
    "target": {"shape": ["B", SIDE, SIDE], "dtype": "int64", "high": CLASSES, "ignore": IGNORE},
    "output_shape": ["B", CLASSES, SIDE, SIDE], "oracle": "onehot", "causal": False,
    "claims": {"skip_concats": 2},
}


def double_conv(cin, cout):
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, padding=1), nn.GroupNorm(4, cout), nn.ReLU(inplace=True),
        nn.Conv2d(cout, cout, 3, padding=1), nn.GroupNorm(4, cout), nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.down1 = double_conv(3, width)
        self.down2 = double_conv(width, 2 * width)
        self.bottom = double_conv(2 * width, 4 * width)
        self.up2 = double_conv(6 * width, 2 * width)
        self.up1 = double_conv(3 * width, width)
        self.out = nn.Conv2d(width, CLASSES, 1)

    def forward(self, tile):
        a = self.down1(tile)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.bottom(F.max_pool2d(b, 2))
        c = F.interpolate(c, scale_factor=2, mode="bilinear", align_corners=False)
        b = self.up2(torch.cat([b, c], dim=1))
        b = F.interpolate(b, scale_factor=2, mode="bilinear", align_corners=False)
        return self.out(self.up1(torch.cat([a, b], dim=1)))


def build_model():
    return UNet()


def load_raw(seed=0):
    """Overlapping tiles of 40 slides: pictures, masks (255 where nobody drew), slide; each slide has its own stain."""
    g = torch.Generator().manual_seed(seed)
    images, masks, slides = [], [], []
    colour = torch.tensor([[0.0, 0.0, 0.0], [1.2, -0.6, 0.3], [-0.4, 1.0, 0.9]])
    for slide in range(40):
        mask = torch.zeros(24, 24, dtype=torch.int64)
        for k in (1, 2):
            for _ in range(2):
                r, c = torch.randint(0, 16, (2,), generator=g).tolist()
                h, w = torch.randint(5, 10, (2,), generator=g).tolist()
                mask[r:r + h, c:c + w] = k
        stain = 0.25 * torch.randn(3, 1, 1, generator=g)
        picture = colour[mask].permute(2, 0, 1) + stain + 0.4 * torch.randn(3, 24, 24, generator=g)
        r, c = torch.randint(0, 20, (2,), generator=g).tolist()
        mask[r:r + 4, c:c + 4] = IGNORE
        for top, left in ((0, 0), (0, 8), (8, 0), (8, 8)):
            images.append(picture[:, top:top + SIDE, left:left + SIDE])
            masks.append(mask[top:top + SIDE, left:left + SIDE])
            slides.append(slide)
    return torch.stack(images), torch.stack(masks), torch.tensor(slides)


def make_splits(raw=None, seed=0):
    x, y, slide = load_raw(seed) if raw is None else raw
    ids = torch.unique(slide)
    ids = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed + 1))]
    a, b = int(0.65 * len(ids)), int(0.8 * len(ids))
    rows = {k: torch.isin(slide, v).nonzero().squeeze(1)
            for k, v in (("train", ids[:a]), ("val", ids[a:b]), ("test", ids[b:]))}
    mean = x[rows["train"]].mean((0, 2, 3), keepdim=True)
    std = x[rows["train"]].std((0, 2, 3), keepdim=True)
    return {k: TensorDataset((x[i] - mean) / std, y[i]) for k, i in rows.items()}


def augment(x, y):
    if torch.rand(()) < 0.5:
        x, y = x.flip(-1), y.flip(-1)
    if torch.rand(()) < 0.5:
        x, y = x.flip(-2), y.flip(-2)
    turns = int(torch.randint(4, (1,)))
    return x.rot90(turns, (-2, -1)), y.rot90(turns, (-2, -1))


def model_inputs(batch):
    return (batch[0],)


def dice_loss(logits, target, smooth=1.0):
    known = (target != IGNORE).unsqueeze(1)
    probs = logits.softmax(dim=1) * known
    onehot = F.one_hot(torch.where(target == IGNORE, 0, target), CLASSES).permute(0, 3, 1, 2) * known
    inter = (probs * onehot).sum((0, 2, 3))
    total = probs.sum((0, 2, 3)) + onehot.sum((0, 2, 3))
    return 1 - ((2 * inter + smooth) / (total + smooth)).mean()


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[1], ignore_index=IGNORE) + dice_loss(out, batch[1])


def train(model, splits, steps=70, batch_size=20, lr=1e-2):
    opt = torch.optim.AdamW(model.parameters(), lr=lr)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history = []
    while len(history) < steps:
        model.train()
        for x, y in loader:
            batch = augment(x, y)
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
        evaluate(model, splits["val"])
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=16):
    """Mean over classes of intersection over union, both counted over the whole split."""
    model.eval()
    inter, union = torch.zeros(CLASSES), torch.zeros(CLASSES)
    for batch in DataLoader(dataset, batch_size=batch_size):
        pred, truth = model(*model_inputs(batch)).argmax(1), batch[1]
        known = truth != IGNORE
        for k in range(CLASSES):
            p, q = (pred == k) & known, (truth == k) & known
            inter[k] += (p & q).sum()
            union[k] += (p | q).sum()
    return (inter / union.clamp(min=1)).mean().item()


def run(model, splits, steps=70):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
