"""Clipped policy gradient (PPO) on logged episodes of a small control task; the greedy policy is then driven."""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

OBS, ACTIONS, GAMMA, LAMBDA, EPISODE = 4, 5, 0.9, 0.95, 12
META = {
    "name": "ppo", "task": "regression",
    "inputs": [{"name": "obs", "shape": ["B", OBS], "dtype": "float32"}],
    "batch": [
        {"name": "obs", "shape": ["B", OBS], "dtype": "float32"},
        {"name": "action", "shape": ["B"], "dtype": "int64", "high": ACTIONS},
        {"name": "old_logp", "shape": ["B"], "dtype": "float32", "low": -2.0, "high": -1.0},
        {"name": "advantage", "shape": ["B"], "dtype": "float32"},
        {"name": "returns", "shape": ["B"], "dtype": "float32"},
    ],
    "output_shape": [["B", ACTIONS], ["B"]], "oracle": None, "causal": False, "claims": {},
}
PUSH = torch.tensor([[0.0, 0.0], [0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])


def environment_step(obs, action):
    """A mass in the plane: position (2), velocity (2); the reward is how near the origin it is."""
    position, velocity = obs[..., :2], obs[..., 2:]
    velocity = 0.8 * velocity + PUSH[action]
    position = (position + velocity).clamp(-3, 3)
    return torch.cat([position, velocity], -1), -0.2 * position.norm(dim=-1)


class ActorCritic(nn.Module):
    def __init__(self, hidden=48):
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(OBS, hidden), nn.Tanh(), nn.Linear(hidden, ACTIONS))
        self.critic = nn.Sequential(nn.Linear(OBS, hidden), nn.Tanh(), nn.Linear(hidden, 1))
        nn.init.orthogonal_(self.actor[-1].weight, gain=0.01)

    def forward(self, obs):
        return self.actor(obs), self.critic(obs).squeeze(-1)


def build_model():
    return ActorCritic()


def advantages(reward, value, done, last_value):
    """Generalised advantage estimates of one stream of steps, done marking the last step of an episode."""
    result, running = torch.zeros_like(reward), 0.0
    for i in reversed(range(len(reward))):
        following = last_value if i == len(reward) - 1 else value[i + 1]
        alive = 1.0 - done[i]
        delta = reward[i] + GAMMA * following * alive - value[i]
        running = delta + GAMMA * LAMBDA * alive * running
        result[i] = running
    return result


def load_raw(seed=0):
    """Episodes of a sluggish random behaviour policy: obs, action, log-probability, advantage, return, episode."""
    g = torch.Generator().manual_seed(seed)
    columns = []
    for episode in range(150):
        obs = torch.cat([4 * torch.rand(2, generator=g) - 2, 0.5 * torch.randn(2, generator=g)])
        for step in range(EPISODE):
            prefer = torch.tensor([0.3, 0.0, 0.0, 0.0, 0.0]).log_softmax(0)
            action = torch.multinomial(prefer.exp(), 1, generator=g).item()
            following, reward = environment_step(obs, action)
            columns.append((obs, action, prefer[action].item(), reward.item(), float(step == EPISODE - 1), episode))
            obs = following
    obs, action, logp, reward, done, episode = zip(*columns)
    obs, reward, done = torch.stack(obs), torch.tensor(reward), torch.tensor(done)
    value = -1.2 * (obs[:, :2] + 2 * obs[:, 2:]).norm(dim=1)  # the critic of the behaviour, rough
    advantage = advantages(reward, value, done, 0.0)
    return obs, torch.tensor(action), torch.tensor(logp), advantage, advantage + value, torch.tensor(episode)


def make_splits(raw=None, seed=0):
    *columns, episode = load_raw(seed) if raw is None else raw
    ids = torch.unique(episode)
    ids = ids[torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed + 1))]
    a, b = int(0.7 * len(ids)), int(0.85 * len(ids))
    parts = {"train": ids[:a], "val": ids[a:b], "test": ids[b:]}
    rows = {k: torch.isin(episode, v).nonzero().squeeze(1) for k, v in parts.items()}
    return {k: TensorDataset(*(c[i] for c in columns)) for k, i in rows.items()}


def model_inputs(batch):
    return (batch[0],)


def compute_loss(out, batch, clip=0.2, value_weight=0.5, entropy_weight=0.01):
    logits, value = out
    _, action, old_logp, advantage, returns = batch
    policy = torch.distributions.Categorical(logits=logits)
    ratio = (policy.log_prob(action) - old_logp).exp()
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    surrogate = torch.min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
    value_loss = (value - returns).square().mean()
    return -surrogate.mean() + value_weight * value_loss - entropy_weight * policy.entropy().mean()


def train(model, splits, steps=150, batch_size=180, lr=1e-2):
    opt = torch.optim.Adam(model.parameters(), lr=lr, eps=1e-5)
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    history = []
    while len(history) < steps:
        model.train()
        for batch in loader:
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            opt.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Mean reward a step of the greedy policy, driven from the states of the split; higher is better."""
    model.eval()
    obs = dataset.tensors[0]
    total = 0.0
    for _ in range(EPISODE):
        logits, _ = model(obs)
        obs, reward = environment_step(obs, logits.argmax(-1))
        total += reward.mean().item()
    return total / EPISODE


def run(model, splits, steps=150):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test metric", result["test"])
