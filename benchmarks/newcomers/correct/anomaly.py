"""Machine monitoring: a denoising autoencoder fitted to healthy readings flags unusual ones by reconstruction error."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

SENSORS, LATENT = 20, 4

META = {
    "name": "anomaly", "task": "reconstruction",
    "inputs": [{"name": "x", "shape": ["B", SENSORS], "dtype": "float32"}],
    "batch": [
        {"name": "x", "shape": ["B", SENSORS], "dtype": "float32"},
        {"name": "faulty", "shape": ["B"], "dtype": "bool"},
    ],
    "output_shape": ["B", SENSORS], "oracle": "reconstruction", "causal": False, "claims": {},
}


class Denoiser(nn.Module):
    def __init__(self, noise=0.2):
        super().__init__()
        self.noise = noise
        self.encoder = nn.Sequential(nn.Linear(SENSORS, 32), nn.GELU(), nn.Linear(32, LATENT))
        self.decoder = nn.Sequential(nn.Linear(LATENT, 32), nn.GELU(), nn.Linear(32, SENSORS))

    def forward(self, x):
        if self.training:
            x = x + self.noise * torch.randn_like(x)
        return self.decoder(self.encoder(x))


def build_model():
    return Denoiser()


def load_raw(seed=0):
    """Healthy readings lie near a curved surface; in faulty ones a few sensors break the pattern."""
    g = torch.Generator().manual_seed(seed)
    n = 1200
    z = torch.randn(n, LATENT, generator=g)
    mix = torch.randn(LATENT, SENSORS, generator=g)
    x = torch.tanh(0.7 * z @ mix) * 3 + 0.15 * torch.randn(n, SENSORS, generator=g)
    faulty = torch.rand(n, generator=g) < 0.15
    broken = (torch.rand(n, SENSORS, generator=g) < 0.2) & faulty[:, None]
    x = torch.where(broken, x[torch.randperm(n, generator=g)], x)
    gain = 10 ** torch.linspace(-1, 2, SENSORS)  # volts, bars, degrees
    return x * gain + 2 * gain, faulty


def make_splits(raw=None, seed=0):
    """Training and validation are healthy readings only; the test set holds both kinds."""
    x, faulty = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed + 1))
    early, late = perm[:850], perm[850:]
    healthy = early[~faulty[early]]
    parts = {"train": healthy[:-150], "val": healthy[-150:], "test": late}
    reference = x[parts["train"]]
    x = (x - reference.mean(dim=0)) / reference.std(dim=0)
    return {k: TensorDataset(x[i], faulty[i]) for k, i in parts.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.mse_loss(out, batch[0])


@torch.no_grad()
def set_threshold(model, healthy, share=0.95):
    """The alarm level lets 5 % of the healthy validation readings through."""
    scores, _ = anomaly_scores(model, healthy)
    model.threshold = scores.quantile(share).item()


def train(model, splits, steps=400, batch_size=64, lr=3e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=steps)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    history = []
    model.train()
    while len(history) < steps:
        for batch in loader:
            opt.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            opt.step()
            schedule.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    set_threshold(model, splits["val"])
    return history


@torch.no_grad()
def anomaly_scores(model, dataset, batch_size=128):
    model.eval()
    scores, truth = [], []
    for batch in DataLoader(dataset, batch_size=batch_size):
        out = model(*model_inputs(batch))
        scores.append((out - batch[0]).pow(2).mean(dim=1))
        truth.append(batch[1])
    return torch.cat(scores), torch.cat(truth)


def evaluate(model, dataset):
    """F1 of the alarm. An untrained model has no alarm level yet: it flags everything."""
    scores, faulty = anomaly_scores(model, dataset)
    alarm = scores > getattr(model, "threshold", 0.0)
    hit = (alarm & faulty).sum().item()
    precision = hit / max(1, alarm.sum().item())
    recall = hit / max(1, faulty.sum().item())
    return 2 * precision * recall / max(1e-9, precision + recall)


def run(model, splits, steps=400):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test F1", result["test"])
