"""Off-policy learning of a recommendation policy from logged clicks, with clipped inverse propensity weights."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

CONTEXT, ACTIONS = 10, 6

META = {
    "name": "bandit", "task": "classification", "num_classes": ACTIONS,
    "inputs": [{"name": "context", "shape": ["B", CONTEXT], "dtype": "float32"}],
    "batch": [
        {"name": "context", "shape": ["B", CONTEXT], "dtype": "float32"},
        {"name": "action", "shape": ["B"], "dtype": "int64", "high": ACTIONS},
        {"name": "reward", "shape": ["B"], "dtype": "float32", "high": 2},
        {"name": "propensity", "shape": ["B"], "dtype": "float32", "low": 0, "high": 1},
    ],
    "output_shape": ["B", ACTIONS], "oracle": None, "causal": False, "claims": {},
}
SMALLEST, ENTROPY, BASELINE = 0.02, 0.01, 0.3


class Policy(nn.Module):
    """Logits of a softmax policy."""

    def __init__(self, hidden=32):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(CONTEXT, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, ACTIONS))
        nn.init.normal_(self.net[-1].weight, std=0.01)
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, context):
        return self.net(context)


def build_model():
    return Policy()


def load_raw(seed=0):
    """Logs of an old policy that favours some actions for the wrong reasons.

    click_rate holds the true chance of a click for every action: only the simulator knows it, it serves evaluation.
    """
    g = torch.Generator().manual_seed(seed)
    n = 3000
    context = torch.randn(n, CONTEXT, generator=g) * 3 + 1
    z = (context - 1) / 3
    click_rate = torch.sigmoid(1.5 * z @ torch.randn(CONTEXT, ACTIONS, generator=g) / 2 - 1.0)
    habit = torch.tensor([1.5, 0.8, 0.0, 0.0, -0.5, -1.0]) + 0.5 * z @ torch.randn(CONTEXT, ACTIONS, generator=g) / 2
    chances = habit.softmax(dim=1)
    action = torch.multinomial(chances, 1, generator=g)
    propensity = chances.gather(1, action).squeeze(1)
    reward = (torch.rand(n, generator=g) < click_rate.gather(1, action).squeeze(1)).float()
    return context, action.squeeze(1), reward, propensity, click_rate


def make_splits(raw=None, seed=0):
    context, action, reward, propensity, click_rate = load_raw(seed) if raw is None else raw
    perm = torch.randperm(len(context), generator=torch.Generator().manual_seed(seed + 1))
    parts = {"train": perm[:2200], "val": perm[2200:2500], "test": perm[2500:]}
    seen = context[parts["train"]]
    context = (context - seen.mean(dim=0)) / seen.std(dim=0)
    return {k: TensorDataset(context[i], action[i], reward[i], propensity[i], click_rate[i]) for k, i in parts.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch):
    """Minus the estimated value of the policy, with a small entropy bonus against early collapse."""
    _, action, reward, propensity = batch[:4]
    log_pi = F.log_softmax(out, dim=1)
    chosen = log_pi.gather(1, action[:, None]).squeeze(1).exp()
    weight = chosen / propensity.clamp(min=SMALLEST)
    value = (weight * (reward - BASELINE)).mean()
    entropy = -(log_pi.exp() * log_pi).sum(dim=1).mean()
    return -value - ENTROPY * entropy


def train(model, splits, steps=250, batch_size=128, lr=3e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=1e-4)
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


@torch.no_grad()
def evaluate(model, dataset, batch_size=250):
    """True expected click rate of the stochastic policy."""
    model.eval()
    total = 0.0
    for batch in DataLoader(dataset, batch_size=batch_size):
        chance = model(*model_inputs(batch)).softmax(dim=1)
        total += (chance * batch[4]).sum().item()
    return total / len(dataset)


@torch.no_grad()
def estimate(model, dataset):
    """The same value estimated from the log alone, self-normalised."""
    model.eval()
    context, action, reward, propensity, _ = dataset.tensors
    chance = model(context).softmax(dim=1).gather(1, action[:, None]).squeeze(1)
    weight = chance / propensity.clamp(min=SMALLEST)
    return ((weight * reward).sum() / weight.sum()).item()


def run(model, splits, steps=250):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"]), "estimate": estimate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "true value", result["test"], "estimated", result["estimate"])
