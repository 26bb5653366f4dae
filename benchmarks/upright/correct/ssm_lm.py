"""Language model on a selective diagonal state-space recurrence (Mamba-like), weights averaged by EMA."""
import copy
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "ssm_lm", "task": "lm", "num_classes": 20,
    "inputs": [{"name": "ids", "shape": ["B", "T"], "dtype": "int64", "high": 20}],
    "batch": [{"name": "ids", "shape": ["B", "T+1"], "dtype": "int64", "high": 20}],
    "output_shape": ["B", "T", 20], "oracle": "next_token",
    "causal": True, "positional": "tokens",
    "claims": {"norm": "pre", "residual_adds": 2, "tied": True, "params": 25184},
}
VOCAB = 20


class RMSNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.gain, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.gain


class SelectiveSSM(nn.Module):
    """h_t = exp(dt_t A) h_{t-1} + dt_t B_t u_t ;  y_t = C_t h_t + D u_t, with dt, B and C computed from u_t."""

    def __init__(self, dim, inner, state=8, kernel=4):
        super().__init__()
        self.kernel = kernel
        self.in_proj = nn.Linear(dim, 2 * inner, bias=False)
        self.conv = nn.Conv1d(inner, inner, kernel, groups=inner)
        self.to_bc = nn.Linear(inner, 2 * state, bias=False)
        self.to_dt = nn.Linear(inner, inner)
        self.log_a = nn.Parameter(torch.arange(1, state + 1).float().log().repeat(inner, 1))
        self.skip = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, dim, bias=False)
        # start with step sizes spread log-uniformly over [0.01, 0.3]
        dt = torch.exp(torch.linspace(math.log(0.01), math.log(0.3), inner))
        with torch.no_grad():
            self.to_dt.weight.mul_(0.1)
            self.to_dt.bias.copy_(dt + torch.log(-torch.expm1(-dt)))  # inverse of softplus

    def forward(self, x):
        u, gate = self.in_proj(x).chunk(2, dim=-1)
        u = self.conv(F.pad(u.transpose(1, 2), (self.kernel - 1, 0))).transpose(1, 2)
        u = F.silu(u)
        b, c = self.to_bc(u).chunk(2, dim=-1)
        dt = F.softplus(self.to_dt(u))
        decay = torch.exp(dt.unsqueeze(-1) * -self.log_a.exp())
        drive = (dt * u).unsqueeze(-1) * b.unsqueeze(2)
        h, ys = torch.zeros_like(drive[:, 0]), []
        for t in range(u.shape[1]):
            h = torch.addcmul(drive[:, t], decay[:, t], h)
            ys.append(torch.einsum("bds,bs->bd", h, c[:, t]))
        y = torch.addcmul(torch.stack(ys, dim=1), self.skip, u)
        return self.out_proj(y * F.silu(gate))


class Block(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.mixer = RMSNorm(dim), SelectiveSSM(dim, 2 * dim)

    def forward(self, x):
        return x + self.mixer(self.norm(x))


class SSMLanguageModel(nn.Module):
    def __init__(self, dim=32, depth=2):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim)
        nn.init.normal_(self.embed.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(dim) for _ in range(depth))
        self.norm = RMSNorm(dim)
        self.head = nn.Linear(dim, VOCAB, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def build_model():
    return SSMLanguageModel()


class EMA:
    def __init__(self, model, decay):
        self.shadow, self.decay, self.updates = copy.deepcopy(model).requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, model):
        self.updates += 1
        d = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for mine, theirs in zip(self.shadow.parameters(), model.parameters()):
            mine.lerp_(theirs, 1 - d)


def load_raw(seed=0):
    """Sequences of a seeded random second-order Markov chain: three likely successors for each pair of tokens."""
    g = torch.Generator().manual_seed(seed)
    n, t = 600, 17
    successors = torch.randint(VOCAB, (5, VOCAB, 3), generator=g)  # indexed by (id before % 5, last id)
    ids = torch.randint(VOCAB, (n, t), generator=g)
    for k in range(2, t):
        options = successors[ids[:, k - 2] % 5, ids[:, k - 1]]
        choice = torch.multinomial(torch.tensor([0.8, 0.15, 0.05]), n, replacement=True, generator=g)
        ids[:, k] = options.gather(1, choice[:, None]).squeeze(1)
    return (ids,)


def make_splits(raw=None, seed=0):
    (ids,) = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed + 1))
    train, val, test = perm.tensor_split([int(0.7 * len(ids)), int(0.85 * len(ids))])
    return {"train": TensorDataset(ids[train]), "val": TensorDataset(ids[val]), "test": TensorDataset(ids[test])}


def model_inputs(batch):
    return (batch[0][:, :-1],)


def compute_loss(out, batch):
    return F.cross_entropy(out.transpose(1, 2), batch[0][:, 1:])


def train(model, splits, steps=150, batch_size=32, lr=6e-3, warmup=10):
    decay = [p for p in model.parameters() if p.ndim > 1 and p is not model.embed.weight]
    decay = [p for p in decay if all(p is not b.mixer.log_a for b in model.blocks)]
    chosen = {id(p) for p in decay}
    other = [p for p in model.parameters() if id(p) not in chosen]
    opt = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.05}, {"params": other, "weight_decay": 0.0}], lr=lr, betas=(0.9, 0.95)
    )
    sched = torch.optim.lr_scheduler.LambdaLR(
        opt, lambda s: min((s + 1) / warmup, 0.5 * (1 + math.cos(math.pi * min(s / steps, 1.0))) + 0.05)
    )
    ema, history = EMA(model, 0.97), []
    model.train()
    while len(history) < steps:
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            sched.step()
            ema.update(model)
            history.append(loss.item())
            if len(history) >= steps:
                break
    model.load_state_dict(ema.shadow.state_dict())
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """perplexity per token"""
    model.eval()
    nats, tokens = 0.0, 0
    for batch in DataLoader(dataset, batch_size=64):
        n = batch[0][:, 1:].numel()
        nats += compute_loss(model(*model_inputs(batch)), batch).item() * n
        tokens += n
    return math.exp(nats / tokens)


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("perplexity", run(build_model(), make_splits())["test"], "uniform", VOCAB)
