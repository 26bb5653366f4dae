"""Sequential recommender (SASRec): a causal transformer over each user's items, the last two of them held out."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

ITEMS, PAD, LENGTH = 41, 0, 12  # items are 1..40
META = {
    "name": "sasrec", "task": "lm", "num_classes": ITEMS,
    "inputs": [{"name": "history", "shape": ["B", LENGTH], "dtype": "int64", "low": 1, "high": ITEMS}],
    "batch": [
        {"name": "history", "shape": ["B", LENGTH], "dtype": "int64", "low": 1, "high": ITEMS},
        {"name": "following", "shape": ["B", LENGTH], "dtype": "int64", "low": 1, "high": ITEMS, "ignore": PAD},
    ],
    "output_shape": ["B", LENGTH, ITEMS], "oracle": None, "pad_id": PAD, "causal": True, "positional": "tokens",
    "claims": {"norm": "pre", "residual_adds": 4, "tied": True},
}


class SelfAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x, allowed):
        b, t, d = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        return self.out(y.transpose(1, 2).reshape(b, t, d))


class Layer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads)
        self.feed = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))
        self.drop = nn.Dropout(0.1)

    def forward(self, x, allowed):
        x = x + self.drop(self.attention(self.norm1(x), allowed))
        return x + self.drop(self.feed(self.norm2(x)))


class SASRec(nn.Module):
    def __init__(self, dim=32, depth=2, heads=2):
        super().__init__()
        self.item = nn.Embedding(ITEMS, dim, padding_idx=PAD)
        self.place = nn.Embedding(LENGTH, dim)
        self.layers = nn.ModuleList([Layer(dim, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        nn.init.normal_(self.item.weight, std=0.1)
        nn.init.normal_(self.place.weight, std=0.1)
        with torch.no_grad():
            self.item.weight[PAD].zero_()

    def forward(self, history):
        t = history.shape[1]
        causal = torch.ones(t, t, dtype=torch.bool, device=history.device).tril()
        seen = (history != PAD)[:, None, None, :]
        itself = torch.eye(t, dtype=torch.bool, device=history.device)
        allowed = (causal & seen) | itself  # (B, 1, T, T)
        x = self.item(history) + self.place(torch.arange(t, device=history.device))
        for layer in self.layers:
            x = layer(x, allowed)
        return self.norm(x) @ self.item.weight.t()


def build_model():
    return SASRec()


def load_raw(seed=0):
    """Item sequences of users, padded on the left; tastes move along a hidden cycle of items."""
    g = torch.Generator().manual_seed(seed)
    users = 200
    follow = torch.randperm(ITEMS - 1, generator=g)
    sequences = torch.zeros(users, LENGTH + 2, dtype=torch.int64)
    for u in range(users):
        n = int(torch.randint(7, LENGTH + 3, (1,), generator=g))
        item = int(torch.randint(0, ITEMS - 1, (1,), generator=g))
        for k in range(n):
            sequences[u, LENGTH + 2 - n + k] = item + 1
            if torch.rand((), generator=g) < 0.85:
                item = int(follow[item])
            else:
                item = int(torch.randint(0, ITEMS - 1, (1,), generator=g))
    return (sequences,)


def make_splits(raw=None, seed=0):
    """Leave one out: train on all but two items of a user, validate on the last but one, test on the last."""
    (s,) = load_raw(seed) if raw is None else raw
    train_in = F.pad(s[:, :-3], (1, 0))
    return {
        "train": TensorDataset(train_in, s[:, :-2]),
        "val": TensorDataset(s[:, :-2], only_last(s[:, 1:-1])),
        "test": TensorDataset(s[:, 1:-1], only_last(s[:, 2:])),
    }


def only_last(following):
    target = torch.zeros_like(following)
    target[:, -1] = following[:, -1]
    return target


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.cross_entropy(out.flatten(0, 1), batch[1].flatten(), ignore_index=PAD)


def train(model, splits, steps=110, batch_size=40, lr=1e-2):
    opt = torch.optim.Adam(model.parameters(), lr=lr, betas=(0.9, 0.98))
    history = []
    while len(history) < steps:
        model.train()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
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
def evaluate(model, dataset, batch_size=32, k=5):
    """Hit rate: how often the held-out item is among the k best of all items."""
    model.eval()
    hits, users = 0, 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        scores = model(*model_inputs(batch))[:, -1]
        scores[:, PAD] = float("-inf")
        truth = batch[1][:, -1:]
        rank = (scores > scores.gather(1, truth)).sum(1)
        hits += (rank < k).sum().item()
        users += len(truth)
    return hits / users


def run(model, splits, steps=110):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
