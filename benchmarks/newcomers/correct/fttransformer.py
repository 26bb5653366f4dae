"""FT-Transformer for rare-event prediction on a table with numeric and categorical columns."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

NUMERIC, CARDINALITIES, CITIES = 5, (6, 4, 9), 30

META = {
    "name": "fttransformer", "task": "binary", "num_classes": 2,
    "inputs": [
        {"name": "numbers", "shape": ["B", NUMERIC], "dtype": "float32"},
        {"name": "categories", "shape": ["B", len(CARDINALITIES)], "dtype": "int64", "high": min(CARDINALITIES)},
    ],
    "target": {"shape": ["B"], "dtype": "float32", "high": 2},
    "output_shape": ["B"], "oracle": "binary_logit", "causal": False,
    "claims": {"norm": "pre", "residual_adds": 4, "attn_scale": True},
}


class Tokenizer(nn.Module):
    """One token for each column, in front of them a class token."""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(NUMERIC, dim) / math.sqrt(dim))
        self.bias = nn.Parameter(torch.randn(NUMERIC, dim) / math.sqrt(dim))
        self.table = nn.Embedding(sum(CARDINALITIES), dim)
        nn.init.normal_(self.table.weight, std=1 / math.sqrt(dim))
        self.cls = nn.Parameter(torch.randn(dim) / math.sqrt(dim))
        # All categorical columns share one table; each has its own range of rows.
        offsets = torch.tensor((0,) + CARDINALITIES[:-1]).cumsum(0)
        self.register_buffer("offsets", offsets)

    def forward(self, numbers, categories):
        columns = numbers[:, :, None] * self.weight + self.bias
        names = self.table(categories + self.offsets)
        first = self.cls.expand(len(numbers), 1, -1)
        return torch.cat([first, columns, names], dim=1)


class Layer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.q, self.k, self.v, self.out = (nn.Linear(dim, dim) for _ in range(4))
        self.ffn = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * dim, dim))

    def split(self, x):
        b, n, d = x.shape
        return x.view(b, n, self.heads, d // self.heads).transpose(1, 2)

    def attention(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(dim=-1)
        return self.out((weights @ v).transpose(1, 2).reshape(x.shape))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class FTTransformer(nn.Module):
    def __init__(self, dim=32, heads=4, layers=2):
        super().__init__()
        self.tokens = Tokenizer(dim)
        self.layers = nn.ModuleList(Layer(dim, heads) for _ in range(layers))
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.ReLU(), nn.Linear(dim, 1))

    def forward(self, numbers, categories):
        x = self.tokens(numbers, categories)
        for layer in self.layers:
            x = layer(x)
        return self.head(x[:, 0]).squeeze(-1)


def build_model():
    return FTTransformer()


def load_raw(seed=0):
    """Four numbers, three short categories, a city column with many values; about one case in seven is positive."""
    g = torch.Generator().manual_seed(seed)
    n = 1400
    numbers = torch.randn(n, NUMERIC - 1, generator=g) * torch.tensor([1.0, 10.0, 0.1, 3.0])
    categories = torch.stack([torch.randint(c, (n,), generator=g) for c in CARDINALITIES], dim=1)
    city = torch.randint(CITIES, (n,), generator=g)
    effects = [torch.randn(c, generator=g) for c in CARDINALITIES]
    z = numbers[:, 0] - numbers[:, 1] / 10 * effects[0][categories[:, 0]] + effects[1][categories[:, 1]]
    z = z + effects[2][categories[:, 2]] + 0.8 * torch.randn(CITIES, generator=g)[city]
    y = (torch.sigmoid(2.0 * z - 4.0) > torch.rand(n, generator=g)).float()
    return numbers, categories, city, y


def target_encode(city, y, fit, folds=5, smooth=10.0):
    """City replaced by its smoothed positive rate; training rows get the rate of the other folds."""

    def rate(rows):
        total = torch.zeros(CITIES).index_add(0, city[rows], y[rows])
        count = torch.zeros(CITIES).index_add(0, city[rows], torch.ones(len(rows)))
        return (total + smooth * y[rows].mean()) / (count + smooth)

    encoded = rate(fit)[city]
    fold = torch.arange(len(fit)) % folds
    for k in range(folds):
        held = fit[fold == k]
        encoded[held] = rate(fit[fold != k])[city[held]]
    return encoded


def make_splits(raw=None, seed=0):
    numbers, categories, city, y = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed + 1))
    train, val, test = perm[:900], perm[900:1050], perm[1050:]
    numbers = torch.cat([numbers, target_encode(city, y, train)[:, None]], dim=1)
    numbers = (numbers - numbers[train].mean(0)) / numbers[train].std(0)
    return {k: TensorDataset(numbers[i], categories[i], y[i]) for k, i in (("train", train), ("val", val), ("test", test))}


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.binary_cross_entropy_with_logits(out, batch[2])


def train(model, splits, steps=150, batch_size=64, lr=2e-3):
    decay = [p for n, p in model.named_parameters() if p.dim() > 1 and "tokens" not in n]
    rest = [p for n, p in model.named_parameters() if not (p.dim() > 1 and "tokens" not in n)]
    opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}], lr=lr)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    it, history = iter(loader), []
    model.train()
    for _ in range(steps):
        try:
            batch = next(it)
        except StopIteration:
            it = iter(loader)
            batch = next(it)
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        history.append(loss.item())
    return history


def auroc(score, label):
    """Probability that a positive case scores above a negative one."""
    positive, negative = score[label == 1], score[label == 0]
    diff = positive[:, None] - negative[None, :]
    return ((diff > 0).float() + 0.5 * (diff == 0).float()).mean().item()


@torch.no_grad()
def evaluate(model, dataset, batch_size=100):
    model.eval()
    scores, labels = [], []
    for batch in DataLoader(dataset, batch_size=batch_size):
        scores.append(torch.sigmoid(model(*model_inputs(batch))))
        labels.append(batch[2])
    return auroc(torch.cat(scores), torch.cat(labels))


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test AUROC", result["test"])
