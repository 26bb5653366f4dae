"""WaveNet-like one-step-ahead forecaster: gated dilated causal convolutions with skip outputs, split by time."""
import torch
from torch import nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

META = {
    "name": "wavenet", "task": "regression",
    "inputs": [{"name": "past", "shape": ["B", 1, "T"], "dtype": "float32"}],
    "target": {"shape": ["B", 1, "T"], "dtype": "float32"},
    "output_shape": ["B", 1, "T"], "oracle": "regression",
    "causal": {"input": 0, "in_dim": 2, "out_dim": 2},
    "claims": {"residual_adds": 4, "params": 9065},
}
WINDOW = 48


class GatedLayer(nn.Module):
    """`last`: nothing reads the residual stream after the last layer, so it has no residual output."""

    def __init__(self, res, skip, dilation, kernel=2, last=False):
        super().__init__()
        self.left = dilation * (kernel - 1)
        self.conv = nn.Conv1d(res, 2 * res, kernel, dilation=dilation)
        self.to_res = None if last else nn.Conv1d(res, res, 1)
        self.to_skip = nn.Conv1d(res, skip, 1)

    def forward(self, x):
        a, b = self.conv(F.pad(x, (self.left, 0))).chunk(2, dim=1)
        z = torch.tanh(a) * torch.sigmoid(b)
        if self.to_res is not None:
            x = x + self.to_res(z)
        return x, self.to_skip(z)


class WaveNet(nn.Module):
    def __init__(self, res=16, skip=24, dilations=(1, 2, 4, 8, 16)):
        super().__init__()
        self.front = nn.Conv1d(1, res, 1)
        self.layers = nn.ModuleList([GatedLayer(res, skip, d, last=d == dilations[-1]) for d in dilations])
        self.back = nn.Sequential(nn.ReLU(), nn.Conv1d(skip, skip, 1), nn.ReLU(), nn.Conv1d(skip, 1, 1))

    def forward(self, past):
        x, skips = self.front(past), []
        for layer in self.layers:
            x, s = layer(x)
            skips.append(s)
        return self.back(torch.stack(skips).sum(0))


def build_model():
    return WaveNet()


def load_raw(seed=0):
    """Four hourly-like series of 1,500 steps: two seasonal waves with drifting phase, plus AR(1) noise."""
    g = torch.Generator().manual_seed(seed)
    m, t = 4, 1500
    clock = torch.arange(t).float()
    amp = 1 + torch.rand(m, 2, generator=g)
    phase = 6.28 * torch.rand(m, 2, generator=g)
    drift = 0.02 * torch.randn(m, t, generator=g).cumsum(1)
    level = 10 + 2 * torch.randn(m, 1, generator=g)
    s = amp[:, :1] * torch.sin(6.2832 * clock / 12 + phase[:, :1] + drift)
    s = s + 0.7 * amp[:, 1:] * torch.sin(6.2832 * clock / 7 + phase[:, 1:] + drift)
    noise, eps = torch.zeros(m, t), 0.15 * torch.randn(m, t, generator=g)
    for k in range(1, t):
        noise[:, k] = 0.5 * noise[:, k - 1] + eps[:, k]
    return (level + s + noise,)


class Windows(Dataset):
    """All windows of one time span: the input is s[i : i+W] and the target the same window one step later."""

    def __init__(self, series, stride):
        self.series = series
        last = series.shape[1] - WINDOW - 1
        self.index = [(r, i) for r in range(series.shape[0]) for i in range(0, last + 1, stride)]

    def __len__(self):
        return len(self.index)

    def __getitem__(self, k):
        r, i = self.index[k]
        return self.series[r:r + 1, i:i + WINDOW], self.series[r:r + 1, i + 1:i + WINDOW + 1]


def make_splits(raw=None, seed=0):
    """Past for training, then validation, then test; the three spans share no time step.  (seed: data only)"""
    (series,) = load_raw(seed) if raw is None else raw
    t = series.shape[1]
    a, b = int(0.7 * t), int(0.85 * t)
    mean, std = series[:, :a].mean(1, keepdim=True), series[:, :a].std(1, keepdim=True)
    z = (series - mean) / std
    return {
        "train": Windows(z[:, :a], stride=5),
        "val": Windows(z[:, a:b], stride=WINDOW),
        "test": Windows(z[:, b:], stride=WINDOW),
    }


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    return F.smooth_l1_loss(out, batch[1], beta=0.5)


def train(model, splits, steps=200, batch_size=32, lr=5e-3, eval_every=25, patience=4):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.5, patience=1)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True, drop_last=True)
    best, best_state, bad, history = float("inf"), None, 0, []
    batches = iter(loader)
    for step in range(1, steps + 1):
        batch = next(batches, None)
        if batch is None:
            batches = iter(loader)
            batch = next(batches)
        model.train()
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        history.append(loss.item())
        if step % eval_every == 0:
            score = evaluate(model, splits["val"])
            plateau.step(score)
            if score < best:
                best, bad = score, 0
                best_state = {k: v.detach().clone() for k, v in model.state_dict().items()}
            else:
                bad += 1
                if bad >= patience:
                    break
    if best_state is not None:
        model.load_state_dict(best_state)
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """MAE divided by the MAE of the naive forecast 'the next value is the last one' (1 is no better than naive)"""
    model.eval()
    mine = naive = 0.0
    for batch in DataLoader(dataset, batch_size=64):
        past, future = batch
        mine += (model(*model_inputs(batch)) - future).abs().sum().item()
        naive += (past - future).abs().sum().item()
    return mine / naive


def run(model, splits, steps=200):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print("relative MAE", run(build_model(), make_splits())["test"])
