"""U-Net that outlines cells: background, cytoplasm, nucleus; pixels on an uncertain border are not labelled."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

SIDE, CLASSES, IGNORE = 24, 3, 255
META = {
    "name": "unet", "task": "segmentation", "num_classes": CLASSES,
    "inputs": [{"name": "image", "shape": ["B", 1, SIDE, SIDE], "dtype": "float32"}],
    "target": {"name": "mask", "shape": ["B", SIDE, SIDE], "dtype": "int64", "low": 0, "high": CLASSES,
               "ignore": IGNORE},
    "output_shape": ["B", CLASSES, SIDE, SIDE], "oracle": "onehot", "causal": False,
    "claims": {"params": 29499, "skip_concats": 2},
}


def double_conv(c_in, c_out):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True),
        nn.Conv2d(c_out, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.enc1 = double_conv(1, width)
        self.enc2 = double_conv(width, 2 * width)
        self.bottom = double_conv(2 * width, 4 * width)
        self.pool = nn.MaxPool2d(2)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.dec2 = double_conv(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.dec1 = double_conv(2 * width, width)
        self.head = nn.Conv2d(width, CLASSES, 1)

    def forward(self, image):
        s1 = self.enc1(image)
        s2 = self.enc2(self.pool(s1))
        x = self.bottom(self.pool(s2))
        x = self.dec2(torch.cat([self.up2(x), s2], dim=1))
        x = self.dec1(torch.cat([self.up1(x), s1], dim=1))
        return self.head(x)


def build_model():
    return UNet()


class Cells(Dataset):
    def __init__(self, images, masks, augment=False):
        self.images, self.masks, self.augment = images, masks, augment

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        image, mask = self.images[i], self.masks[i]
        if self.augment:
            if torch.rand(()) < 0.5:
                image, mask = image.flip(-1), mask.flip(-1)
            if torch.rand(()) < 0.5:
                image, mask = image.flip(-2), mask.flip(-2)
        return image, mask


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n = 200
    yy, xx = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    images = torch.zeros(n, 1, SIDE, SIDE)
    masks = torch.zeros(n, SIDE, SIDE, dtype=torch.int64)
    for i in range(n):
        for _ in range(int(torch.randint(1, 4, (1,), generator=g))):
            cy, cx = torch.randint(4, SIDE - 4, (2,), generator=g).tolist()
            radius = 3.0 + 2.0 * float(torch.rand(1, generator=g))
            ny, nx = (torch.rand(2, generator=g) * 2 - 1).tolist()
            cell = ((yy - cy) ** 2 + (xx - cx) ** 2).sqrt()
            nucleus = ((yy - cy - ny) ** 2 + (xx - cx - nx) ** 2).sqrt()
            masks[i][(cell <= radius) & (masks[i] != 2)] = 1
            masks[i][nucleus <= 0.45 * radius] = 2
        level = torch.tensor([0.9, 0.5, 0.2])[masks[i]]  # stained cells are dark on bright glass
        lamp = 0.8 + 0.4 * float(torch.rand(1, generator=g))
        images[i, 0] = lamp * level + 0.12 * torch.randn(SIDE, SIDE, generator=g)
        edge = F.max_pool2d((masks[i][None, None] > 0).float(), 3, 1, 1) - (masks[i][None, None] > 0).float()
        masks[i][(edge[0, 0] > 0) & (torch.rand(SIDE, SIDE, generator=g) < 0.5)] = IGNORE
    return images, masks


def make_splits(raw=None, seed=0):
    images, masks = load_raw(seed) if raw is None else raw
    images = (images - images.mean((1, 2, 3), keepdim=True)) / images.std((1, 2, 3), keepdim=True)  # each its own lamp
    return {
        "train": Cells(images[:120], masks[:120], augment=True),
        "val": Cells(images[120:150], masks[120:150]),
        "test": Cells(images[150:], masks[150:]),
    }


def model_inputs(batch):
    return (batch[0],)


def dice_loss(out, target, eps=1.0):
    """One minus the soft Dice coefficient, averaged over classes; unlabelled pixels do not count."""
    known = (target != IGNORE).unsqueeze(1)
    probs = out.softmax(dim=1) * known
    truth = F.one_hot(target.masked_fill(target == IGNORE, 0), CLASSES).permute(0, 3, 1, 2) * known
    overlap = (probs * truth).sum((0, 2, 3))
    total = (probs + truth).sum((0, 2, 3))
    return 1 - ((2 * overlap + eps) / (total + eps)).mean()


def compute_loss(out, batch):
    target = batch[1]
    weight = torch.tensor([0.5, 1.0, 3.0])  # a nucleus has few pixels
    return F.cross_entropy(out, target, weight=weight, ignore_index=IGNORE) + dice_loss(out, target)


def train(model, splits, steps=80, batch_size=12, lr=1e-2):
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    opt = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.PolynomialLR(opt, total_iters=steps, power=0.9)
    history = []
    model.train()
    while len(history) < steps:
        for batch in loader:
            if len(history) >= steps:
                break
            opt.zero_grad(set_to_none=True)
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            opt.step()
            sched.step()
            history.append(loss.item())
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Mean intersection over union of the classes, over all labelled pixels of the data set."""
    model.eval()
    inter, union = torch.zeros(CLASSES), torch.zeros(CLASSES)
    for image, mask in DataLoader(dataset, batch_size=16):
        pred = model(image).argmax(dim=1)
        known = mask != IGNORE
        for c in range(CLASSES):
            p, t = (pred == c) & known, (mask == c) & known
            inter[c] += (p & t).sum()
            union[c] += (p | t).sum()
    return (inter / union.clamp(min=1)).mean().item()


def run(model, splits, steps=80):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test mIoU", result["test"])
