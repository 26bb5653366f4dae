"""Double DQN from logged transitions of a random agent in a small slippery grid; target network by Polyak averaging."""
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

META = {
    "name": "offline_dqn", "task": "regression",
    "inputs": [
        {"name": "state", "shape": ["B", 12], "dtype": "float32"},
        {"name": "next_state", "shape": ["B", 12], "dtype": "float32"},
    ],
    "batch": [
        {"name": "state", "shape": ["B", 12], "dtype": "float32"},
        {"name": "action", "shape": ["B"], "dtype": "int64", "high": 4},
        {"name": "reward", "shape": ["B"], "dtype": "float32"},
        {"name": "next_state", "shape": ["B", 12], "dtype": "float32"},
        {"name": "terminal", "shape": ["B"], "dtype": "bool"},
    ],
    "output_shape": [["B", 4], ["B", 4], ["B", 4]], "oracle": None,
    "causal": False,
    "claims": {"params": 10504},  # the target network included
}
SIDE, ACTIONS, GAMMA, HORIZON, SLIP = 6, 4, 0.95, 40, 0.1
GOAL, PITS = (5, 5), ((1, 3), (3, 1), (3, 4), (4, 4))
MOVES = torch.tensor([[-1, 0], [1, 0], [0, -1], [0, 1]])


# ---- environment -------------------------------------------------------------------------------------------------
def encode(cell):
    """(n, 2) cells -> (n, 12): one-hot row, one-hot column"""
    return torch.cat([F.one_hot(cell[:, 0], SIDE), F.one_hot(cell[:, 1], SIDE)], dim=1).float()


def decode(state):
    return torch.stack([state[:, :SIDE].argmax(1), state[:, SIDE:].argmax(1)], dim=1)


def at(cell, place):
    return (cell == torch.tensor(place)).all(dim=1)


def env_step(cell, action, g):
    """-> next cell, reward, terminal.  Goal +1, pit -1 (both end the episode), any other step -0.02."""
    slip = torch.rand(len(cell), generator=g) < SLIP
    action = torch.where(slip, torch.randint(ACTIONS, action.shape, generator=g), action)
    nxt = (cell + MOVES[action]).clamp(0, SIDE - 1)
    goal, pit = at(nxt, GOAL), torch.stack([at(nxt, p) for p in PITS]).any(dim=0)
    reward = torch.where(goal, 1.0, torch.where(pit, -1.0, -0.02))
    return nxt, reward, goal | pit


def random_start(n, g):
    free = [(r, c) for r in range(SIDE) for c in range(SIDE) if (r, c) != GOAL and (r, c) not in PITS]
    return torch.tensor(free)[torch.randint(len(free), (n,), generator=g)]


# ---- logged data -------------------------------------------------------------------------------------------------
def load_raw(seed=0):
    """350 episodes of a uniformly random agent, as rows (state, action, reward, next state, terminal, episode)."""
    g = torch.Generator().manual_seed(seed)
    episodes = 350
    cell, alive = random_start(episodes, g), torch.ones(episodes, dtype=torch.bool)
    rows = [[] for _ in range(6)]
    for _ in range(HORIZON):
        action = torch.randint(ACTIONS, (episodes,), generator=g)
        nxt, reward, terminal = env_step(cell, action, g)
        fields = encode(cell), action, reward, encode(nxt), terminal, torch.arange(episodes)
        for column, field in zip(rows, fields):
            column.append(field[alive])
        # running into the horizon is a truncation, not a terminal state: the target still bootstraps there
        cell, alive = nxt, alive & ~terminal
        if not alive.any():
            break
    return tuple(torch.cat(column) for column in rows)


def make_splits(raw=None, seed=0):
    """Whole episodes go to one split."""
    *fields, episode = load_raw(seed) if raw is None else raw
    names = episode.unique()
    names = names[torch.randperm(len(names), generator=torch.Generator().manual_seed(seed + 1))]
    a, b = int(0.7 * len(names)), int(0.85 * len(names))
    groups = {"train": names[:a], "val": names[a:b], "test": names[b:]}
    splits = {}
    for key, members in groups.items():
        mine = torch.isin(episode, members)
        splits[key] = TensorDataset(*[f[mine] for f in fields])
    return splits


# ---- agent -------------------------------------------------------------------------------------------------------
class DoubleDQN(nn.Module):
    """forward gives Q(s), and without gradient the online and the target network's Q(s')."""

    def __init__(self, hidden=64):
        super().__init__()
        self.online = nn.Sequential(
            nn.Linear(2 * SIDE, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, ACTIONS)
        )
        self.target = copy.deepcopy(self.online).requires_grad_(False)

    def forward(self, state, next_state):
        q = self.online(state)
        with torch.no_grad():
            q_next, q_next_target = self.online(next_state), self.target(next_state)
        return q, q_next, q_next_target

    @torch.no_grad()
    def sync(self, tau):
        for slow, fast in zip(self.target.parameters(), self.online.parameters()):
            slow.lerp_(fast, tau)


def build_model():
    return DoubleDQN()


def model_inputs(batch):
    return batch[0], batch[3]


def compute_loss(out, batch):
    q, q_next, q_next_target = out
    _, action, reward, _, terminal = batch
    best = q_next.argmax(dim=1, keepdim=True)
    value = q_next_target.gather(1, best).squeeze(1)
    target = reward + GAMMA * value * (~terminal).float()
    taken = q.gather(1, action[:, None]).squeeze(1)
    return F.smooth_l1_loss(taken, target.detach())


def train(model, splits, steps=800, batch_size=128, lr=2e-3, tau=0.03, eval_every=100):
    data = splits["train"]
    replay = DataLoader(
        data, batch_size=batch_size, sampler=RandomSampler(data, replacement=True, num_samples=steps * batch_size)
    )
    opt = torch.optim.Adam(model.online.parameters(), lr=lr)
    best, best_state, history = -float("inf"), None, []
    model.train()
    for batch in replay:
        loss = compute_loss(model(*model_inputs(batch)), batch)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.online.parameters(), 5.0)
        opt.step()
        model.sync(tau)
        history.append(loss.item())
        if len(history) % eval_every == 0:
            score = evaluate(model, splits["val"], seed=1)
            model.train()
            if score > best:
                best, best_state = score, copy.deepcopy(model.state_dict())
    if best_state is not None:
        model.load_state_dict(best_state)
    return history


@torch.no_grad()
def evaluate(model, dataset, rollouts=300, seed=2):
    """mean discounted return of the greedy policy, started from states drawn from the data set"""
    model.eval()
    g = torch.Generator().manual_seed(seed)
    states = torch.stack([row[0] for row in dataset])
    cell = decode(states[torch.randint(len(states), (rollouts,), generator=g)])
    total, alive, discount = torch.zeros(rollouts), torch.ones(rollouts), 1.0
    for _ in range(HORIZON):
        action = model.online(encode(cell)).argmax(dim=1)
        cell, reward, terminal = env_step(cell, action, g)
        total += discount * alive * reward
        alive = alive * (~terminal).float()
        discount *= GAMMA
    return total.mean().item()


def run(model, splits, steps=800):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(0)
    cell, total, alive = random_start(2000, g), torch.zeros(2000), torch.ones(2000)
    for k in range(HORIZON):
        cell, reward, terminal = env_step(cell, torch.randint(ACTIONS, (2000,), generator=g), g)
        total += GAMMA ** k * alive * reward
        alive = alive * (~terminal).float()
    print("random policy", total.mean().item())
    print("greedy policy", run(build_model(), make_splits())["test"])
