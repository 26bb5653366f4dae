"""Denoising autoencoder for anomaly detection: fitted on normal rows only, scored by AUROC of the residual."""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

META = {
    "name": "anomaly_ae", "task": "reconstruction",
    "inputs": [{"name": "x", "shape": ["B", 24], "dtype": "float32"}],
    "batch": [
        {"name": "x", "shape": ["B", 24], "dtype": "float32"},
        {"name": "is_anomaly", "shape": ["B"], "dtype": "int64", "high": 2},
    ],
    "output_shape": ["B", 24], "oracle": "reconstruction",
    "causal": False,
    "claims": {"params": 2812},
}
FEATURES, CODE = 24, 4


class DenoisingAE(nn.Module):
    def __init__(self, hidden=48, noise=0.1):
        super().__init__()
        self.noise = noise
        self.encoder = nn.Sequential(nn.Linear(FEATURES, hidden), nn.SiLU(), nn.Linear(hidden, CODE))
        self.decoder = nn.Sequential(nn.Linear(CODE, hidden), nn.SiLU(), nn.Linear(hidden, FEATURES))

    def forward(self, x):
        if self.training:
            x = x + self.noise * torch.randn_like(x)
        return self.decoder(self.encoder(x))


def build_model():
    return DenoisingAE()


def load_raw(seed=0):
    """Normal rows lie near a curved 4-d sheet; an anomaly has 6 of its 24 features taken from another row.

    So each feature of an anomaly looks normal by itself and only the combination is off.
    """
    g = torch.Generator().manual_seed(seed)
    n_normal, n_odd = 900, 120
    w1, w2 = torch.randn(4, 10, generator=g), torch.randn(10, FEATURES, generator=g) / 10 ** 0.5

    def sheet(n):
        return torch.tanh(0.6 * torch.randn(n, 4, generator=g) @ w1) @ w2 + 0.05 * torch.randn(n, FEATURES, generator=g)

    odd, donor = sheet(n_odd), sheet(n_odd)
    swap = torch.rand(n_odd, FEATURES, generator=g).argsort(1) < 6
    x = torch.cat([sheet(n_normal), torch.where(swap, donor, odd)])
    y = torch.cat([torch.zeros(n_normal), torch.ones(n_odd)]).long()
    return x * 3 + 10, y


def make_splits(raw=None, seed=0):
    x, y = load_raw(seed) if raw is None else raw
    g = torch.Generator().manual_seed(seed + 5)
    normal = (y == 0).nonzero().squeeze(1)
    odd = (y == 1).nonzero().squeeze(1)
    normal, odd = normal[torch.randperm(len(normal), generator=g)], odd[torch.randperm(len(odd), generator=g)]
    a, b, c = int(0.7 * len(normal)), int(0.85 * len(normal)), len(odd) // 2
    rows = {"train": normal[:a], "val": torch.cat([normal[a:b], odd[:c]]), "test": torch.cat([normal[b:], odd[c:]])}
    mean, std = x[rows["train"]].mean(0), x[rows["train"]].std(0)
    return {k: TensorDataset((x[r] - mean) / std, y[r]) for k, r in rows.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return (out - batch[0]).square().mean()


def snapshot(model):
    return {k: v.detach().clone() for k, v in model.state_dict().items()}


def train(model, splits, steps=500, batch_size=64, lr=4e-3, eval_every=50, patience=3):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=steps, eta_min=1e-4)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history, best_loss, best_state, waited = [], float("inf"), None, 0
    while len(history) < steps and waited < patience:
        for batch in loader:
            model.train()
            opt.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) % eval_every == 0:
                # model selection needs no anomaly: residual of the normal validation rows
                errors, labels = residuals(model, splits["val"])
                current = errors[labels == 0].mean().item()
                if current < best_loss:
                    best_loss, best_state, waited = current, snapshot(model), 0
                else:
                    waited += 1
            if len(history) == steps or waited == patience:
                break
    if best_state is not None:
        model.load_state_dict(best_state)
    return history


@torch.no_grad()
def residuals(model, dataset):
    model.eval()
    errors, labels = [], []
    for batch in DataLoader(dataset, batch_size=128):
        errors.append((model(*model_inputs(batch)) - batch[0]).square().mean(dim=1))
        labels.append(batch[1])
    return torch.cat(errors), torch.cat(labels)


def auroc(score, label):
    """P(score of a positive > score of a negative), ties counted half; nan if a class is missing"""
    pos, neg = score[label == 1], score[label == 0]
    if len(pos) == 0 or len(neg) == 0:
        return float("nan")
    diff = pos[:, None] - neg[None, :]
    return ((diff > 0).float() + 0.5 * (diff == 0).float()).mean().item()


def evaluate(model, dataset):
    return auroc(*residuals(model, dataset))


def run(model, splits, steps=500):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("AUROC", run(build_model(), make_splits())["test"])
