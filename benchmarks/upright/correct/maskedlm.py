"""Masked LM on torch's own TransformerEncoder (post-norm, GELU), 80/10/10 corruption, duplicated train maskings."""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

PAD, MASK, FIRST, VOCAB = 0, 1, 2, 26
LENGTH, MAX_LEN, IGNORE = 16, 40, -100

META = {
    "name": "maskedlm", "task": "mlm", "num_classes": VOCAB,
    "inputs": [
        {"name": "ids", "shape": ["B", "T"], "dtype": "int64", "low": FIRST, "high": VOCAB},
        {"name": "mask", "shape": ["B", "T"], "dtype": "bool", "role": "padding_mask"},
    ],
    "target": {"shape": ["B", "T"], "dtype": "int64", "low": FIRST, "high": VOCAB, "ignore": IGNORE},
    "output_shape": ["B", "T", VOCAB], "oracle": "onehot_last", "pad_id": PAD,
    "causal": False, "positional": "tokens",
    "claims": {"params": 52970, "norm": "post", "residual_adds": 4, "attn_scale": True, "tied": True},
}


class MaskedLM(nn.Module):
    def __init__(self, dim=48, heads=4, layers=2):
        super().__init__()
        self.tokens = nn.Embedding(VOCAB, dim)
        self.positions = nn.Embedding(MAX_LEN, dim)
        self.norm = nn.LayerNorm(dim)
        layer = nn.TransformerEncoderLayer(dim, heads, 3 * dim, dropout=0.05, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.transform = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.LayerNorm(dim))
        self.decoder = nn.Linear(dim, VOCAB)
        # deep copies inside TransformerEncoder start equal: draw every weight matrix anew
        for p in self.encoder.parameters():
            if p.dim() > 1:
                nn.init.xavier_uniform_(p)
        for emb in (self.tokens, self.positions):
            nn.init.normal_(emb.weight, std=0.1)
        self.decoder.weight = self.tokens.weight
        nn.init.zeros_(self.decoder.bias)

    def forward(self, ids, mask):
        """mask is True on real tokens."""
        where = torch.arange(ids.shape[1], device=ids.device).unsqueeze(0)
        h = self.norm(self.tokens(ids) + self.positions(where))
        h = self.encoder(h, src_key_padding_mask=~mask)
        return self.decoder(self.transform(h))


def build_model():
    return MaskedLM()


def load_raw(seed=0, n=500):
    """Walks on a sparse directed graph of symbols: a hidden symbol follows from its two neighbours."""
    g = torch.Generator().manual_seed(seed)
    symbols = VOCAB - FIRST
    step = torch.stack([torch.randperm(symbols, generator=g) for _ in range(2)])  # two successors each
    walk = torch.randint(symbols, (n, 1), generator=g)
    for _ in range(LENGTH - 1):
        way = torch.randint(2, (n,), generator=g)
        walk = torch.cat([walk, step[way, walk[:, -1]][:, None]], dim=1)
    length = torch.randint(LENGTH // 2, LENGTH + 1, (n, 1), generator=g)
    real = torch.arange(LENGTH) < length
    return torch.where(real, walk + FIRST, PAD), real


def corrupt(ids, real, g):
    """15 % of the real tokens are predicted (at least one a row): 80 % masked, 10 % random, 10 % kept."""
    score = torch.rand(ids.shape, generator=g).masked_fill(~real, 2.0)
    chosen = (score < 0.15) | (score == score.amin(1, keepdim=True))
    labels = torch.where(chosen, ids, IGNORE)
    dice = torch.rand(ids.shape, generator=g)
    noise = torch.randint(FIRST, VOCAB, ids.shape, generator=g)
    ids = torch.where(chosen & (dice < 0.8), MASK, ids)
    ids = torch.where(chosen & (dice >= 0.8) & (dice < 0.9), noise, ids)
    return ids, labels


def make_splits(raw=None, seed=0, copies=6):
    ids, _ = load_raw(seed) if raw is None else raw
    ids = torch.unique(ids, dim=0)  # short walks can repeat: keep one of each, so that no walk is in two splits
    real = ids != PAD
    g = torch.Generator().manual_seed(seed + 1)
    order = torch.randperm(len(ids), generator=g)
    cut = {"train": order[:340], "val": order[340:400], "test": order[400:]}
    splits = {}
    for name, rows in cut.items():
        if name == "train":
            rows = rows.repeat(copies)
        x, labels = corrupt(ids[rows], real[rows], g)
        splits[name] = TensorDataset(x, real[rows], labels)
    return splits


def model_inputs(batch):
    ids, mask, _ = batch
    return ids, mask


def compute_loss(out, batch):
    labels = batch[2]
    return nn.functional.cross_entropy(out.reshape(-1, out.shape[-1]), labels.reshape(-1), ignore_index=IGNORE)


def train(model, splits, steps=220, batch_size=64, peak=3e-3):
    opt = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.01)
    warm = 20
    sched = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min((s + 1) / warm, (warm / (s + 1)) ** 0.5))
    history = []
    model.train()
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    while True:
        for batch in loader:
            if len(history) >= steps:
                return history
            opt.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            sched.step()
            history.append(loss.item())


@torch.no_grad()
def evaluate(model, dataset):
    """Accuracy on the predicted tokens."""
    model.eval()
    right = seen = 0
    for batch in DataLoader(dataset, batch_size=64):
        labels = batch[2]
        scored = labels != IGNORE
        guess = model(*model_inputs(batch)).argmax(-1)
        right += (guess[scored] == labels[scored]).sum().item()
        seen += scored.sum().item()
    return right / seen


def run(model, splits, steps=220):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("masked-token accuracy", run(build_model(), make_splits())["test"])
