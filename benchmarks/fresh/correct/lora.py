"""LoRA: a topic classifier learned one language; low-rank adapters teach it a dialect, its own weights stay frozen."""
import copy
import functools
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

TOPICS, PER_TOPIC, LENGTH, DIM, RANK, LORA_ALPHA = 4, 8, 14, 32, 4, 16
VOCAB = TOPICS * PER_TOPIC
META = {
    "name": "lora", "task": "classification", "num_classes": TOPICS,
    "inputs": [{"name": "tokens", "shape": ["B", LENGTH], "dtype": "int64", "low": 0, "high": VOCAB}],
    "target": {"name": "topic", "shape": ["B"], "dtype": "int64", "low": 0, "high": TOPICS},
    "output_shape": ["B", TOPICS], "oracle": "onehot", "causal": False,
    "claims": {"norm": "pre", "residual_adds": 2},
}


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, DIM)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(DIM), nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.query, self.key, self.value = nn.Linear(DIM, DIM), nn.Linear(DIM, DIM), nn.Linear(DIM, DIM)
        self.proj = nn.Linear(DIM, DIM)
        self.up, self.down = nn.Linear(DIM, 2 * DIM), nn.Linear(2 * DIM, DIM)
        self.head = nn.Linear(DIM, TOPICS)

    def forward(self, tokens):
        x = self.embed(tokens)
        h = self.norm1(x)
        h = F.scaled_dot_product_attention(self.query(h), self.key(h), self.value(h))
        x = x + self.proj(h)
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(self.norm3(x).mean(dim=1))


class LoRALinear(nn.Module):
    """base(x) + alpha / rank * B A x, arXiv 2106.09685."""

    def __init__(self, base, rank=RANK, alpha=LORA_ALPHA):
        super().__init__()
        self.base = base
        self.scaling = alpha / rank
        self.a = nn.Parameter(torch.empty(rank, base.in_features))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, x):
        return self.base(x) + self.scaling * (x @ self.a.T @ self.b.T)

    @torch.no_grad()
    def merged(self):
        """A plain layer with the adapter's product added to its weight."""
        layer = copy.deepcopy(self.base)
        layer.weight += self.scaling * self.b @ self.a
        return layer


def sentences(n, topic_of_word, g):
    topic = torch.randint(0, TOPICS, (n,), generator=g)
    words = [[w for w in range(VOCAB) if topic_of_word[w] == t] for t in range(TOPICS)]
    tokens = torch.randint(0, VOCAB, (n, LENGTH), generator=g)
    for i in range(n):
        places = torch.randperm(LENGTH, generator=g)[:6]
        picks = torch.randint(0, len(words[topic[i]]), (6,), generator=g)
        tokens[i, places] = torch.tensor([words[topic[i]][p] for p in picks.tolist()])
    return tokens, topic


@functools.cache
def pretrained():
    """Weights of a classifier of the standard language."""
    g = torch.Generator().manual_seed(1234)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1234)
        model = Classifier()
        tokens, topic = sentences(600, torch.arange(VOCAB) // PER_TOPIC, g)
        opt = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(5):
            for rows in torch.randperm(len(tokens)).split(50):
                opt.zero_grad()
                F.cross_entropy(model(tokens[rows]), topic[rows]).backward()
                opt.step()
    return model.state_dict()


def build_model():
    """The pretrained classifier, frozen, with adapters in the value and feed-forward layers and a head to train."""
    model = Classifier()
    model.load_state_dict(pretrained())
    model.requires_grad_(False)
    for name in ("query", "value", "up", "down"):
        setattr(model, name, LoRALinear(getattr(model, name)))
    model.head.requires_grad_(True)
    return model


def merge(model):
    """A copy without adapters, for serving."""
    served = copy.deepcopy(model)
    for name, layer in model.named_children():
        if isinstance(layer, LoRALinear):
            setattr(served, name, layer.merged())
    return served


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    dialect = torch.arange(VOCAB) // PER_TOPIC
    moved = torch.randperm(VOCAB, generator=g)[:3 * VOCAB // 4]
    dialect[moved] = dialect[moved.roll(1)]  # most words mean something else here
    return sentences(1000, dialect.tolist(), g)


def make_splits(raw=None, seed=0):
    tokens, topic = load_raw(seed) if raw is None else raw
    names, sizes = ("train", "val", "test"), (600, 100, 300)
    return {name: TensorDataset(t, y) for name, t, y in zip(names, tokens.split(sizes), topic.split(sizes))}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[1])


def train(model, splits, steps=200, batch_size=30, lr=5e-3):
    trainable = [p for p in model.parameters() if p.requires_grad]
    opt = torch.optim.AdamW(trainable, lr=lr, weight_decay=0.01)
    sched = torch.optim.lr_scheduler.LinearLR(opt, start_factor=1.0, end_factor=0.1, total_iters=steps)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    history = []
    while len(history) < steps:
        model.train()
        for batch in loader:
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trainable, 1.0)
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) >= steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Accuracy of the merged network, the one that will be served."""
    served = merge(model).eval()
    right, seen = 0, 0
    for batch in DataLoader(dataset, batch_size=100):
        right += int((served(*model_inputs(batch)).argmax(dim=-1) == batch[1]).sum())
        seen += len(batch[1])
    return right / seen


def run(model, splits, steps=200):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test accuracy", result["test"])
