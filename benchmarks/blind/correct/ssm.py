"""Selective state-space language model (Mamba-like): causal convolution, input-dependent scan, gate."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

VOCAB, LENGTH = 16, 16
META = {
    "name": "ssm", "task": "lm", "num_classes": VOCAB,
    "inputs": [{"name": "ids", "shape": ["B", "T"], "dtype": "int64", "high": VOCAB}],
    "batch": [{"name": "ids", "shape": ["B", "T+1"], "dtype": "int64", "high": VOCAB}],
    "output_shape": ["B", "T", VOCAB], "oracle": "next_token", "causal": True, "positional": "tokens",
    "claims": {"norm": "pre", "residual_adds": 2, "tied": True},
}


class SelectiveSSM(nn.Module):
    """h_t = exp(dt A) h_{t-1} + dt B_t x_t; y_t = C_t h_t + D x_t (arXiv 2312.00752, section 3)."""

    def __init__(self, dim, state=8, kernel=4):
        super().__init__()
        self.kernel, self.state = kernel, state
        self.inp = nn.Linear(dim, 2 * dim, bias=False)
        self.conv = nn.Conv1d(dim, dim, kernel, groups=dim, padding=kernel - 1)
        self.to_bc = nn.Linear(dim, 2 * state, bias=False)
        self.to_dt = nn.Linear(dim, dim)
        self.A_log = nn.Parameter(torch.log(torch.arange(1, state + 1).float()).repeat(dim, 1))
        self.D = nn.Parameter(torch.ones(dim))
        self.out = nn.Linear(dim, dim, bias=False)
        with torch.no_grad():  # steps start between 0.001 and 0.1
            dt = torch.exp(torch.empty(dim).uniform_(-6.9, -2.3))
            self.to_dt.bias.copy_(dt + torch.log(-torch.expm1(-dt)))

    def forward(self, u):
        b, t, _ = u.shape
        x, gate = self.inp(u).chunk(2, dim=-1)
        x = self.conv(x.transpose(1, 2))[..., :t].transpose(1, 2)
        x = F.silu(x)
        dt = F.softplus(self.to_dt(x))  # (B, T, dim)
        B, C = self.to_bc(x).chunk(2, dim=-1)  # (B, T, state)
        A = -torch.exp(self.A_log)  # (dim, state)
        decay = torch.exp(dt.unsqueeze(-1) * A)  # (B, T, dim, state)
        drive = (dt * x).unsqueeze(-1) * B.unsqueeze(2)
        h = u.new_zeros(b, x.shape[2], self.state)
        ys = []
        for i in range(t):
            h = decay[:, i] * h + drive[:, i]
            ys.append((h * C[:, i].unsqueeze(1)).sum(-1))
        y = torch.stack(ys, dim=1) + self.D * x
        return self.out(y * F.silu(gate))


class SSM(nn.Module):
    def __init__(self, dim=32, depth=2):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim)
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for _ in range(depth)])
        self.mixers = nn.ModuleList([SelectiveSSM(dim) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, VOCAB, bias=False)
        nn.init.normal_(self.embed.weight, std=0.1)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        x = self.embed(ids)
        for norm, mixer in zip(self.norms, self.mixers):
            x = x + mixer(norm(x))
        return self.head(self.norm(x))


def build_model():
    return SSM()


def load_raw(seed=0):
    """Every document is written under one key: the step to the next token depends on the first token."""
    g = torch.Generator().manual_seed(seed)
    n = 240
    ids = torch.zeros(n, LENGTH + 1, dtype=torch.int64)
    ids[:, 0] = torch.randint(0, 4, (n,), generator=g)
    ids[:, 1] = torch.randint(0, VOCAB, (n,), generator=g)
    key = ids[:, 0] * 2 + 1
    for k in range(2, LENGTH + 1):
        ids[:, k] = (ids[:, k - 1] + key) % VOCAB
        noise = torch.rand(n, generator=g) < 0.15
        ids[:, k] = torch.where(noise, torch.randint(0, VOCAB, (n,), generator=g), ids[:, k])
    return (ids,)


def make_splits(raw=None, seed=0):
    (ids,) = load_raw(seed) if raw is None else raw
    order = torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed + 1))
    return {"train": TensorDataset(ids[order[:160]]), "val": TensorDataset(ids[order[160:200]]),
            "test": TensorDataset(ids[order[200:]])}


def model_inputs(batch):
    return (batch[0][:, :-1],)


def compute_loss(out, batch):
    return F.cross_entropy(out.transpose(1, 2), batch[0][:, 1:])


def train(model, splits, steps=90, batch_size=32, lr=1e-2):
    no_decay = [p for n, p in model.named_parameters() if p.ndim < 2 or "A_log" in n]
    decay = [p for n, p in model.named_parameters() if not (p.ndim < 2 or "A_log" in n)]
    opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.05}, {"params": no_decay, "weight_decay": 0.0}], lr=lr)
    history = []
    while len(history) < steps:
        model.train()
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            for group in opt.param_groups:
                group["lr"] = lr * min(1.0, (len(history) + 1) / 10)
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
    """Accuracy of the next token."""
    model.eval()
    right, count = 0, 0
    for batch in DataLoader(dataset, batch_size=batch_size):
        pred = model(*model_inputs(batch)).argmax(-1)
        right += (pred == batch[0][:, 1:]).sum().item()
        count += pred.numel()
    return right / count


def run(model, splits, steps=90):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
