"""Programs whose `evaluate` says which metric it gives: right ones, and those that compute another one.

Each is a kind of data, the docstring of `evaluate`, and what it makes of the outputs `out` and targets `y` of all rows,
or of `outs` and `ys`, those of each batch. The validation part has 53 rows, so that the last batch of 16 is small.
"""

from __future__ import annotations

from dataclasses import dataclass

_HEAD = """import math
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
"""
_SPLITS = """
def make_splits(raw=None, seed=0):
    rows = load_raw(seed)
    parts = {"train": slice(0, 60), "val": slice(60, 113), "test": slice(113, 160)}
    return {name: TensorDataset(*(column[part] for column in rows)) for name, part in parts.items()}
"""
_EVALUATE = '''
@torch.no_grad()
def evaluate(model, dataset, batch_size=16):
    """{told}"""
    model.eval()
    outs, ys = [], []
    for batch in DataLoader(dataset, batch_size=batch_size):
        outs.append(model(*model_inputs(batch)))
        ys.append({target})
    {cat}
{body}
'''
_CAT = "out, y = torch.cat(outs), torch.cat(ys)"

KINDS = {
    "binary": """
META = {
    "task": "binary", "inputs": [{"shape": ["B", 6]}], "target": {"shape": ["B"]}, "output_shape": ["B"],
    "oracle": "binary_logit",
}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(6, 1)
    def forward(self, x):
        return self.head(x).squeeze(-1)
def build_model():
    return Net()
def model_inputs(batch):
    return (batch[0],)
def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(160, 6, generator=g), (torch.rand(160, generator=g) < 0.35).float()
""",
    "classes": """
META = {
    "task": "classification", "num_classes": 5, "inputs": [{"shape": ["B", 6]}],
    "target": {"shape": ["B"], "dtype": "int64", "high": 5}, "output_shape": ["B", 5], "oracle": "onehot",
}
def build_model():
    return nn.Linear(6, 5)
def model_inputs(batch):
    return (batch[0],)
def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    y = torch.multinomial(torch.tensor([0.4, 0.25, 0.15, 0.1, 0.1]), 160, replacement=True, generator=g)
    return torch.randn(160, 6, generator=g), y
""",
    "tags": """
META = {
    "task": "tagging", "num_classes": 4, "inputs": [{"shape": ["B", 12], "dtype": "int64", "high": 50}],
    "target": {"shape": ["B", 12], "dtype": "int64", "high": 4, "ignore": -100}, "output_shape": ["B", 12, 4],
    "oracle": "onehot_last",
}
def build_model():
    return nn.Embedding(50, 4)
def model_inputs(batch):
    return (batch[0],)
def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    y = torch.multinomial(torch.tensor([0.6, 0.2, 0.1, 0.1]), 160 * 12, replacement=True, generator=g).view(160, 12)
    length = torch.randint(4, 13, (160, 1), generator=g)
    return torch.randint(50, (160, 12), generator=g), y.masked_fill(torch.arange(12) >= length, -100)
def spans(tags):
    kept = [int(tag) for tag in tags if tag != -100]
    starts = [n for n, tag in enumerate(kept) if tag and (n == 0 or kept[n - 1] != tag)]
    ends = [next((m for m in range(n, len(kept)) if kept[m] != kept[n]), len(kept)) for n in starts]
    return {(n, m, kept[n]) for n, m in zip(starts, ends)}
""",
    "pixels": """
META = {
    "task": "segmentation", "num_classes": 3, "inputs": [{"shape": ["B", 3, 8, 8]}],
    "target": {"shape": ["B", 8, 8], "dtype": "int64", "high": 3, "ignore": 255}, "output_shape": ["B", 3, 8, 8],
    "oracle": "onehot",
}
def build_model():
    return nn.Conv2d(3, 3, 1)
def model_inputs(batch):
    return (batch[0],)
def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    y = torch.multinomial(torch.tensor([0.6, 0.3, 0.1]), 160 * 64, replacement=True, generator=g).view(160, 8, 8)
    return torch.randn(160, 3, 8, 8, generator=g), y.masked_fill(torch.rand(160, 8, 8, generator=g) < 0.1, 255)
def areas(out, y):
    p, known = out.argmax(1), y != 255
    both = torch.stack([((p == k) & (y == k) & known).sum((1, 2)) for k in range(3)], 1).float()
    guessed = torch.stack([((p == k) & known).sum((1, 2)) for k in range(3)], 1).float()
    return both, guessed, torch.stack([(y == k).sum((1, 2)) for k in range(3)], 1).float()
""",
    "tokens": """
META = {
    "task": "lm", "num_classes": 13, "inputs": [{"shape": ["B", "T"], "dtype": "int64", "high": 13, "low": 1}],
    "batch": [{"shape": ["B", "T+1"], "dtype": "int64", "high": 13, "low": 1}], "output_shape": ["B", "T", 13],
    "oracle": "next_token", "pad_id": 0,
}
def build_model():
    return nn.Embedding(13, 13)
def model_inputs(batch):
    return (batch[0][:, :-1],)
def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    length = torch.randint(5, 12, (160, 1), generator=g)
    return (torch.randint(1, 13, (160, 11), generator=g).masked_fill(torch.arange(11) >= length, 0),)
""",
    "numbers": """
META = {
    "task": "regression", "inputs": [{"shape": ["B", 6]}], "target": {"shape": ["B"]}, "output_shape": ["B"],
    "oracle": "regression",
}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(6, 1)
    def forward(self, x):
        return self.head(x).squeeze(-1)
def build_model():
    return Net()
def model_inputs(batch):
    return (batch[0],)
def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(160, 6, generator=g), 2 + torch.randn(160, generator=g)
""",
    "scaled": """
META = {
    "task": "regression", "inputs": [{"shape": ["B", 6]}], "target": {"shape": ["B"]}, "output_shape": ["B"],
    "oracle": "regression",
}
def build_model():
    return nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
def model_inputs(batch):
    return (batch[0],)
def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(160, 6, generator=g), 300 + 12.5 * torch.randn(160, generator=g)
def make_splits(raw=None, seed=0):
    x, y = load_raw(seed) if raw is None else raw
    mean, std = y[:60].mean(), y[:60].std()
    parts = {"train": slice(0, 60), "val": slice(60, 113), "test": slice(113, 160)}
    made = {name: TensorDataset(x[part], (y[part] - mean) / std) for name, part in parts.items()}
    for dataset in made.values():
        dataset.scale = std.item()
    return made
""",
    "pairs": """
META = {
    "task": "contrastive", "inputs": [{"shape": ["B", 6]}, {"shape": ["B", 5]}], "output_shape": [["B", 16], ["B", 16]],
}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(6, 16), nn.Linear(5, 16)
    def forward(self, x, z):
        return F.normalize(self.one(x), dim=-1), F.normalize(self.other(z), dim=-1)
def build_model():
    return Net()
def model_inputs(batch):
    return batch[0], batch[1]
def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(160, 6, generator=g), torch.randn(160, 5, generator=g)
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`body` ends in `return`; `it_is` is part of the sentence that names what a wrong one computes."""

    kind: str
    told: str
    body: str
    it_is: str = ""
    meta: str = ""

    def source(self) -> str:
        """Write it."""
        target = "batch[0][:, 1:]" if self.kind == "tokens" else "batch[-1]"
        cat = "" if self.kind == "pairs" else _CAT
        lines = "\n".join(f"    {line}" for line in self.body.splitlines())
        evaluate = _EVALUATE.format(told=self.told, target=target, cat=cat, body=lines)
        kind = KINDS[self.kind].replace("META = {", f"META = {{{self.meta}", 1)
        return _HEAD + kind + ("" if "make_splits" in kind else _SPLITS) + evaluate


_RANKS = "d = out[y == 1][:, None] - out[y == 0]\n"
_TABLE = "p, n = out.argmax(1), torch.arange(5)[:, None]\n"
_F1S = _TABLE + "f = 2 * ((p == n) & (y == n)).sum(1) / ((p == n).sum(1) + (y == n).sum(1)).clamp(min=1)\n"
_NATS = "nats = F.cross_entropy(out.flatten(0, 1), y.flatten(), ignore_index=0, reduction='sum')\n"
_ENTITIES = (
    "found, real = [spans(t) for t in out.argmax(-1).masked_fill(y == -100, -100)], [spans(t) for t in y]\n"
    "both = sum(len(a & b) for a, b in zip(found, real))\n"
    "return 2 * both / (sum(map(len, found)) + sum(map(len, real)))"
)
_SIMILAR = "s = torch.cat([o[0] for o in outs]) @ torch.cat([o[1] for o in outs]).T\n"
_OWN = "(s.argmax(1) == torch.arange(len(s))).float().mean()"

RIGHT = {
    "auroc": Program(kind="binary", told="AUROC.", body=_RANKS + "return (d > 0).float().mean().item()"),
    "accuracy_in_percent": Program(
        kind="binary", told="Accuracy in percent.", body="return 100 * ((out > 0) == (y > 0.5)).float().mean().item()"
    ),
    "rounded": Program(
        kind="binary", told="Accuracy.", body="return round(((out > 0) == (y > 0.5)).float().mean().item(), 2)"
    ),
    "f1": Program(
        kind="binary",
        told="F1 of the positive class.",
        body="hit = ((out > 0) & (y == 1)).sum()\nreturn (2 * hit / ((out > 0).sum() + (y == 1).sum())).item()",
    ),
    "average_precision": Program(
        kind="binary",
        told="Average precision.",
        body="hits = y[out.argsort(descending=True)]\n"
        "return (hits * hits.cumsum(0) / torch.arange(1, len(y) + 1)).sum().item() / hits.sum().item()",
    ),
    "tuned": Program(
        kind="binary",
        told="Accuracy at a threshold that was tuned.",
        body="return ((out > 0.5) == (y > 0.5)).float().mean().item()",
    ),
    "of_some": Program(
        kind="binary",
        told="Accuracy of confident answers.",
        body="return ((out > 0) == (y > 0.5))[out.abs() > 1].float().mean().item()",
    ),
    "several": Program(
        kind="binary",
        told="What is known of it.",
        body=_RANKS
        + "return {'accuracy': ((out > 0) == (y > 0.5)).float().mean().item(), 'auroc': (d > 0).float().mean()}",
    ),
    "macro_f1": Program(kind="classes", told="Macro F1 over the classes.", body=_F1S + "return f.mean().item()"),
    "macro_f1_by_variable": Program(
        kind="classes", told="", body=_F1S + "macro_f1 = f.mean().item()\nreturn round(macro_f1, 3)"
    ),
    "top_3": Program(
        kind="classes",
        told="Top-3 accuracy.",
        body="return (out.topk(3).indices == y[:, None]).any(1).float().mean().item()",
    ),
    "error_rate": Program(kind="classes", told="Error rate.", body="return (out.argmax(1) != y).float().mean().item()"),
    "two_names": Program(
        kind="classes", told="Accuracy or macro F1.", body="return (out.argmax(1) == y).float().mean().item()"
    ),
    "by_class": Program(
        kind="classes",
        told="Accuracy, averaged per class.",
        body="return torch.stack([(out.argmax(1) == y)[y == k].float().mean() for k in range(5)]).mean().item()",
    ),
    "no_reference": Program(kind="classes", told="Cohen's kappa.", body="return out.mean().item()"),
    "tag_accuracy": Program(
        kind="tags", told="Accuracy of the tags.", body="return (out.argmax(-1) == y)[y != -100].float().mean().item()"
    ),
    "entities": Program(kind="tags", told="F1 of entities.", body=_ENTITIES),
    "span_f1": Program(kind="tags", told="F1.", body=_ENTITIES),
    "iou": Program(
        kind="pixels",
        told="Mean intersection over union of the classes.",
        body="b, p, t = (x.sum(0) for x in areas(out, y))\nreturn (b / (p + t - b)).mean().item()",
    ),
    "iou_by_image": Program(
        kind="pixels",
        told="Mean IoU.",
        body="b, p, t = areas(out, y)\nreturn (b / (p + t - b).clamp(min=1)).mean().item()",
    ),
    "perplexity": Program(
        kind="tokens", told="Perplexity a token.", body=_NATS + "return math.exp(nats / (y != 0).sum())"
    ),
    "perplexity_with_padding": Program(
        kind="tokens", told="Perplexity.", body="return F.cross_entropy(out.flatten(0, 1), y.flatten()).exp().item()"
    ),
    "bits": Program(
        kind="tokens", told="Bits per token.", body=_NATS + "return (nats / (y != 0).sum() / math.log(2)).item()"
    ),
    "next_token": Program(
        kind="tokens", told="Accuracy of the next token.", body="return (out.argmax(-1) == y)[y != 0].float().mean()"
    ),
    "mae": Program(kind="numbers", told="Mean absolute error.", body="return (out - y).abs().mean().item()"),
    "mae_in_units": Program(
        kind="numbers", told="Mean absolute error in Kelvin.", body="return 12.5 * (out - y).abs().mean().item()"
    ),
    "own_unit": Program(
        kind="scaled",
        told="Mean absolute error in the property's own unit.",
        body="return (out - y).abs().mean().item() * dataset.scale",
    ),
    "deviations": Program(
        kind="scaled",
        told="Mean absolute error in standard deviations.",
        body="return (out - y).abs().mean().item()",
    ),
    "rmse": Program(kind="numbers", told="RMSE.", body="return (out - y).square().mean().sqrt().item()"),
    "r2": Program(
        kind="numbers",
        told="R2.",
        body="return (1 - (out - y).square().sum() / (y - y.mean()).square().sum()).item()",
    ),
    "negative_mse": Program(
        kind="numbers", told="Negative mean squared error.", body="return -(out - y).square().mean().item()"
    ),
    "recall": Program(kind="pairs", told="Recall@1 among all rows.", body=_SIMILAR + f"return {_OWN}.item()"),
}
"""None of them may fail; some have no name that can be held against them."""

WRONG = {
    "auroc_of_labels": Program(
        kind="binary",
        told="AUROC.",
        body="out = (out > 0).float()\n" + _RANKS + "return ((d > 0).float() + (d == 0) / 2).mean().item()",
        it_is="that of labels at a threshold in the place of scores",
    ),
    "auroc_upside_down": Program(
        kind="binary", told="AUROC.", body="out = -out\n" + _RANKS + "return (d > 0).float().mean().item()"
    ),
    "threshold_of_logits": Program(
        kind="binary",
        told="Accuracy at a threshold of 0.5.",
        body="return ((out > 0.5) == (y > 0.5)).float().mean().item()",
        it_is="that at a threshold of 0.5 on logits",
    ),
    "f1_is_accuracy": Program(
        kind="binary",
        told="",
        body="f1 = ((out > 0) == (y > 0.5)).float().mean().item()\nreturn f1",
        it_is="the accuracy",
    ),
    "key_is_wrong": Program(
        kind="binary",
        told="What is known of it.",
        body=_RANKS + "a = ((out > 0) == (y > 0.5)).float().mean()\nreturn {'accuracy': a, 'f1': a}",
        it_is="the accuracy",
    ),
    "micro_called_macro": Program(
        kind="classes",
        told="Macro F1 over the classes.",
        body="return (out.argmax(1) == y).float().mean().item()",
        it_is="the accuracy",
    ),
    "declared": Program(
        kind="classes",
        meta='"metric": "balanced_accuracy", ',
        told="",
        body="return (out.argmax(1) == y).float().mean().item()",
        it_is="the accuracy",
    ),
    "top_4": Program(
        kind="classes",
        told="Top-3 accuracy.",
        body="return (out.topk(4).indices == y[:, None]).any(1).float().mean().item()",
        it_is="that with k = 4",
    ),
    "mean_of_batches": Program(
        kind="classes",
        told="Accuracy.",
        body="return sum((o.argmax(1) == t).float().mean().item() for o, t in zip(outs, ys)) / len(outs)",
        it_is="the mean of the values of the batches",
    ),
    "right_tags_over_all": Program(
        kind="tags",
        told="Accuracy of the tags.",
        body="return (out.argmax(-1) == y).sum().item() / y.numel()",
        it_is="right positions over all, also those that do not count",
    ),
    "entities_are_tokens": Program(
        kind="tags",
        told="F1 of entities.",
        body="return (out.argmax(-1) == y)[y != -100].float().mean().item()",
        it_is="the accuracy of single labels",
    ),
    "union_is_sum": Program(
        kind="pixels",
        told="Mean intersection over union of the classes.",
        body="b, p, t = (x.sum(0) for x in areas(out, y))\nreturn (b / (p + t)).mean().item()",
        it_is="in which the intersection counts twice",
    ),
    "dice_called_iou": Program(
        kind="pixels",
        told="Mean IoU.",
        body="b, p, t = (x.sum(0) for x in areas(out, y))\nreturn (2 * b / (p + t)).mean().item()",
        it_is="the mean Dice score",
    ),
    "perplexity_of_padding": Program(
        kind="tokens",
        told="Perplexity a token.",
        body=_NATS + "return math.exp(nats / y.numel())",
        it_is="divided by all positions, padding included",
    ),
    "perplexity_is_loss": Program(
        kind="tokens",
        told="Perplexity.",
        body=_NATS + "return (nats / (y != 0).sum()).item()",
        it_is="the mean negative log likelihood in nats",
    ),
    "no_root": Program(
        kind="numbers",
        told="RMSE.",
        body="return (out - y).square().mean().item()",
        it_is="the mean squared error, of which no root is taken",
    ),
    "not_its_own_unit": Program(
        kind="scaled",
        told="Mean absolute error in the property's own unit.",
        body="return (out - y).abs().mean().item()",
        it_is="that of standardised targets: the raw ones are ",
    ),
    "rmse_of_batches": Program(
        kind="numbers",
        told="RMSE.",
        body="return sum((o - t).square().mean().sqrt().item() for o, t in zip(outs, ys)) / len(outs)",
        it_is="the mean of the values of the batches",
    ),
    "r2_without_mean": Program(
        kind="numbers",
        told="R2.",
        body="return (1 - (out - y).square().sum() / y.square().sum()).item()",
        it_is="whose mean is not taken off",
    ),
    "recall_in_batch": Program(
        kind="pairs",
        told="Recall@1 among all rows.",
        body="found = [o[0] @ o[1].T for o in outs]\nreturn sum(" + _OWN + " for s in found).item() / len(found)",
        it_is="the share among the rows of each batch",
    ),
}
