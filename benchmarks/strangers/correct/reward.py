"""Reward model for RLHF: score an answer to a prompt so that preferred answers score higher (Bradley-Terry).

A causal transformer reads prompt and answer; the score is a linear function of the state at the last real token (EOS).
Pairs of the same prompt never fall into different splits.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

PAD, EOS, SEP = 0, 1, 2
TOPICS, STYLES, WORDS = 6, 5, 24  # word w is about topic w % TOPICS
TOPIC, STYLE, WORD = 3, 3 + TOPICS, 3 + TOPICS + STYLES
VOCAB, LENGTH = WORD + WORDS + STYLES, 16
META = {
    "name": "reward", "task": "contrastive",
    "inputs": [
        {"name": "chosen", "shape": ["B", LENGTH], "dtype": "int64", "low": 0, "high": VOCAB},
        {"name": "rejected", "shape": ["B", LENGTH], "dtype": "int64", "low": 0, "high": VOCAB},
    ],
    "batch": [
        {"name": "chosen", "shape": ["B", LENGTH], "dtype": "int64", "low": 0, "high": VOCAB},
        {"name": "rejected", "shape": ["B", LENGTH], "dtype": "int64", "low": 0, "high": VOCAB},
    ],
    "output_shape": [["B"], ["B"]], "oracle": None, "causal": False, "pad_id": PAD, "positional": "tokens",
    "claims": {},
}


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(dim, 3 * dim), nn.Linear(3 * dim, dim)

    def forward(self, x):
        b, t, d = x.shape
        y = self.norm1(x)
        q, k, v = (f(y).view(b, t, self.heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(b, t, d))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class RewardModel(nn.Module):
    def __init__(self, dim=48, heads=4, layers=2):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        self.position = nn.Parameter(torch.randn(LENGTH, dim) * 0.3)
        self.blocks = nn.ModuleList([Block(dim, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(dim)
        self.score = nn.Linear(dim, 1)
        nn.init.normal_(self.score.weight, std=dim ** -0.5)

    def rate(self, tokens):
        x = self.embed(tokens) + self.position[:tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        places = torch.arange(tokens.shape[1]) * (tokens != PAD)
        last = places.max(dim=1).values
        return self.score(self.norm(x[torch.arange(len(x)), last])).squeeze(-1)

    def forward(self, chosen, rejected):
        return self.rate(chosen), self.rate(rejected)


def build_model():
    return RewardModel()


def load_raw(seed=0):
    """Give preferred answers, the other answers (both with their prompt) and the number of the prompt."""
    g = torch.Generator().manual_seed(seed)

    def draw(n):
        return int(torch.randint(0, n, (1,), generator=g))

    def answer(topic, style):
        words = [draw(WORDS) if draw(2) else topic + TOPICS * draw(WORDS // TOPICS) for _ in range(3 + draw(6))]
        closing = style if draw(2) else draw(STYLES)
        good = 4 * sum(w % TOPICS == topic for w in words) / len(words) + 2 * (closing == style)
        good -= 0.5 * (len(words) - len(set(words)))
        return [WORD + w for w in words] + [WORD + WORDS + closing, EOS], good

    chosen, rejected, prompts = [], [], []
    for prompt in range(300):
        topic, style = draw(TOPICS), draw(STYLES)
        asked = [TOPIC + topic, STYLE + style, WORD + draw(WORDS), WORD + draw(WORDS), SEP]
        for _ in range(6):
            (a, good_a), (b, good_b) = answer(topic, style), answer(topic, style)
            if torch.rand((), generator=g) > torch.sigmoid(torch.tensor(3.0 * (good_a - good_b))):
                a, b = b, a  # annotators mostly prefer the better one
            rows = [asked + x + [PAD] * (LENGTH - len(asked) - len(x)) for x in (a, b)]
            chosen.append(rows[0])
            rejected.append(rows[1])
            prompts.append(prompt)
    return torch.tensor(chosen), torch.tensor(rejected), torch.tensor(prompts)


def make_splits(raw=None, seed=0):
    chosen, rejected, prompts = load_raw(seed) if raw is None else raw
    order = torch.randperm(300, generator=torch.Generator().manual_seed(seed))
    splits = {}
    for name, mine in {"train": order[:220], "val": order[220:250], "test": order[250:]}.items():
        rows = torch.isin(prompts, mine)
        splits[name] = TensorDataset(chosen[rows], rejected[rows])
    return splits


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    """Negative log-likelihood of the preferences; a small penalty keeps the scores centred on zero."""
    chosen, rejected = out
    return -F.logsigmoid(chosen - rejected).mean() + 0.005 * (chosen + rejected).square().mean()


def train(model, splits, steps=250, batch_size=48, lr=2e-3):
    opt = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.02)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=steps, eta_min=lr / 20)
    history = []
    model.train()
    while len(history) < steps:
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            sched.step()
            history.append(loss.item())
            if len(history) == steps:
                break
    return history


@torch.no_grad()
def evaluate(model, dataset):
    """Share of pairs in which the preferred answer scores strictly higher."""
    model.eval()
    right = 0
    for batch in DataLoader(dataset, batch_size=64):
        chosen, rejected = model(*model_inputs(batch))
        right += (chosen > rejected).sum().item()
    return right / len(dataset)


@torch.no_grad()
def best_of(model, candidates):
    """The answer with the highest score among (N, LENGTH) candidates."""
    model.eval()
    return candidates[model.rate(candidates).argmax()]


def run(model, splits, steps=250):
    history = train(model, splits, steps=steps)
    return {"history": history, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print(result["history"][0], result["history"][-1], result["val"], result["test"])
