"""CLIP-style pretraining: a picture tower, a caption tower, a learned temperature; retrieval over the whole split."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

VOCAB, WORDS, PAD, EOS = 20, 8, 0, 19
META = {
    "name": "clip", "task": "contrastive",
    "inputs": [
        {"name": "image", "shape": ["B", 3, 12, 12], "dtype": "float32"},
        {"name": "caption", "shape": ["B", WORDS], "dtype": "int64", "low": 1, "high": VOCAB},
    ],
    "output_shape": [["B", 24], ["B", 24], []], "oracle": None, "causal": False, "pad_id": PAD,
    "claims": {"unit_norm": True, "symmetric_loss": True},
}


class PictureTower(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.GroupNorm(4, 32), nn.ReLU(),
        )
        self.proj = nn.Linear(32 * 4, dim)

    def forward(self, image):
        return self.proj(F.adaptive_avg_pool2d(self.net(image), 2).flatten(1))


class CaptionTower(nn.Module):
    def __init__(self, dim, width=32):
        super().__init__()
        self.tok = nn.Embedding(VOCAB, width)
        self.pos = nn.Parameter(0.01 * torch.randn(WORDS, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.proj = nn.Linear(width, dim, bias=False)

    def forward(self, caption):
        h = self.tok(caption) + self.pos
        h = self.encoder(h, src_key_padding_mask=caption == PAD)
        end = (caption == EOS).int().argmax(1)
        h = h[torch.arange(len(h)), end]
        return self.proj(self.norm(h))


class CLIP(nn.Module):
    def __init__(self, dim=24):
        super().__init__()
        self.picture = PictureTower(dim)
        self.caption = CaptionTower(dim)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, image, caption):
        image = F.normalize(self.picture(image), dim=-1)
        caption = F.normalize(self.caption(caption), dim=-1)
        return image, caption, self.logit_scale.exp().clamp(max=100)


def build_model():
    return CLIP()


def load_raw(seed=0):
    """A picture holds two coloured quarters; its caption names colour and place, in either order, then EOS."""
    g = torch.Generator().manual_seed(seed)
    pairs = [(c1, p1, c2, p2) for c1 in range(6) for p1 in range(4) for c2 in range(6) for p2 in range(p1 + 1, 4)]
    pairs = [pairs[i] for i in torch.randperm(len(pairs), generator=g)[:200].tolist()]
    colour = 1.5 * torch.randn(6, 3, 1, 1, generator=g)
    image = 0.3 * torch.randn(len(pairs), 3, 12, 12, generator=g)
    caption = torch.full((len(pairs), WORDS), PAD)
    for i, (c1, p1, c2, p2) in enumerate(pairs):
        said = []
        for c, p in ((c1, p1), (c2, p2)):
            r, k = 6 * (p // 2), 6 * (p % 2)
            image[i, :, r:r + 6, k:k + 6] += colour[c]
            said.append([1 + c, 7 + p])
        if torch.rand((), generator=g) < 0.5:
            said.reverse()
        words = said[0] + ([12] if torch.rand((), generator=g) < 0.5 else []) + said[1] + [EOS]
        caption[i, :len(words)] = torch.tensor(words)
    return image, caption


def make_splits(raw=None, seed=0):
    image, caption = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(image), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": order[:140], "val": order[140:170], "test": order[170:]}
    return {k: TensorDataset(image[i], caption[i]) for k, i in parts.items()}


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    image, caption, scale = out
    logits = scale * image @ caption.t()
    labels = torch.arange(len(logits))
    return 0.5 * (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels))


def train(model, splits, steps=90, batch_size=35, lr=2e-3):
    decay = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}], lr=lr)
    history = []
    while len(history) < steps:
        model.train()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
        evaluate(model, splits["val"])
    return history


@torch.no_grad()
def evaluate(model, dataset, batch_size=16):
    """Recall@1, picture to caption, among all captions of the split."""
    model.eval()
    images, captions = [], []
    for batch in DataLoader(dataset, batch_size=batch_size):
        image, caption, _ = model(*model_inputs(batch))
        images.append(image)
        captions.append(caption)
    similarity = torch.cat(images) @ torch.cat(captions).t()
    return (similarity.argmax(1) == torch.arange(len(similarity))).float().mean().item()


def run(model, splits, steps=90):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
