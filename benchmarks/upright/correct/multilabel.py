"""Multi-label tagging of 1-D signals with rare labels: BCE with pos_weight from the train split, macro F1."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

LABELS, CHANNELS, TIME = 5, 2, 48

META = {
    "name": "multilabel", "task": "binary", "num_classes": 2,
    "inputs": [{"name": "signal", "shape": ["B", CHANNELS, TIME], "dtype": "float32"}],
    "target": {"shape": ["B", LABELS], "dtype": "float32", "high": 2},
    "output_shape": ["B", LABELS], "oracle": "binary_logit", "causal": False,
    "claims": {"params": 12213, "mflops": 0.392},
}


def build_model():
    def stage(cin, cout, stride):
        return [nn.Conv1d(cin, cout, 5, stride=stride, padding=2, bias=False), nn.BatchNorm1d(cout), nn.ReLU()]

    return nn.Sequential(
        *stage(CHANNELS, 24, 1), *stage(24, 32, 2), *stage(32, 48, 2),
        nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Dropout(0.1), nn.Linear(48, LABELS),
    )


def load_raw(seed=0, n=900):
    """Each label that is on drops its own motif at a random place; prevalence from 8 % to 40 %."""
    g = torch.Generator().manual_seed(seed)
    width = 9
    motifs = torch.randn(LABELS, CHANNELS, width, generator=g)
    motifs = 4.0 * motifs / motifs.norm(dim=(1, 2), keepdim=True)
    prevalence = torch.tensor([0.08, 0.12, 0.2, 0.3, 0.4])
    y = (torch.rand(n, LABELS, generator=g) < prevalence).float()
    x = 0.4 * torch.randn(n, CHANNELS, TIME, generator=g)
    where = torch.randint(0, TIME - width + 1, (n, LABELS), generator=g)
    for i, k in y.nonzero().tolist():
        x[i, :, where[i, k]: where[i, k] + width] += motifs[k]
    return x, y


def make_splits(raw=None, seed=0):
    x, y = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    tr, va, te = perm[:540], perm[540:690], perm[690:]
    mu, sd = x[tr].mean((0, 2), keepdim=True), x[tr].std((0, 2), keepdim=True)
    x = (x - mu) / sd
    return {k: TensorDataset(x[i], y[i]) for k, i in (("train", tr), ("val", va), ("test", te))}


def positive_weight(dataset, cap=10.0):
    y = torch.stack([item[1] for item in dataset])
    pos = y.sum(0)
    return ((len(y) - pos) / pos.clamp(min=1)).clamp(max=cap)


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch, pos_weight=None):
    return F.binary_cross_entropy_with_logits(out, batch[1], pos_weight=pos_weight)


def train(model, splits, steps=170, batch_size=32, lr=4e-3):
    # square root: a compromise between the recall and the precision of the rare labels
    pos_weight = positive_weight(splits["train"]).sqrt()
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-2)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=steps)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True,
                        drop_last=len(splits["train"]) > batch_size)
    history = []
    model.train()
    while len(history) < steps:
        for batch in loader:
            opt.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch, pos_weight)
            loss.backward()
            opt.step()
            cosine.step()
            history.append(loss.item())
            if len(history) >= steps:
                break
    return history


@torch.no_grad()
def per_label_f1(model, dataset):
    model.eval()
    tp, fp, fn = torch.zeros(LABELS), torch.zeros(LABELS), torch.zeros(LABELS)
    for batch in DataLoader(dataset, batch_size=100):
        pred, true = model(*model_inputs(batch)) > 0, batch[1].bool()
        tp += (pred & true).sum(0)
        fp += (pred & ~true).sum(0)
        fn += (~pred & true).sum(0)
    return 2 * tp / (2 * tp + fp + fn).clamp(min=1)


def evaluate(model, dataset):
    """F1 averaged over labels."""
    return per_label_f1(model, dataset).mean().item()


def run(model, splits, steps=170):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    net, data = build_model(), make_splits()
    print("macro F1", run(net, data)["test"], "per label", per_label_f1(net, data["test"]).tolist())
