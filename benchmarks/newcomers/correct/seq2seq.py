"""GRU encoder-decoder with additive attention; learns to reverse and recode strings of digits."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, TensorDataset

PAD, BOS, EOS, VOCAB, LONGEST = 0, 1, 2, 11, 6

META = {
    "name": "seq2seq", "task": "seq2seq", "num_classes": VOCAB,
    "inputs": [
        {"name": "source", "shape": ["B", LONGEST], "dtype": "int64", "high": VOCAB, "low": 3},
        {"name": "mask", "shape": ["B", LONGEST], "dtype": "bool", "role": "padding_mask"},
        {"name": "previous", "shape": ["B", LONGEST + 1], "dtype": "int64", "high": VOCAB, "low": 3},
    ],
    "target": {"shape": ["B", LONGEST + 1], "dtype": "int64", "high": VOCAB, "low": 2, "ignore": PAD},
    "output_shape": ["B", LONGEST + 1, VOCAB], "oracle": "onehot_last", "pad_id": PAD,
    "causal": {"input": 2, "in_dim": 1, "out_dim": 1}, "positional": "tokens", "claims": {},
}


class Encoder(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        self.rnn = nn.GRU(dim, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)

    def forward(self, source, mask):
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(self.embed(source), lengths, batch_first=True, enforce_sorted=False)
        states, last = self.rnn(packed)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=source.shape[1])
        return states, torch.tanh(self.bridge(torch.cat([last[0], last[1]], dim=-1)))


class Seq2Seq(nn.Module):
    def __init__(self, dim=32, hidden=48):
        super().__init__()
        self.encoder = Encoder(dim, hidden)
        self.embed = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        self.cell = nn.GRUCell(dim + 2 * hidden, hidden)
        self.key, self.query = nn.Linear(2 * hidden, hidden), nn.Linear(hidden, hidden, bias=False)
        self.energy = nn.Linear(hidden, 1, bias=False)
        self.head = nn.Linear(3 * hidden, VOCAB)

    def attend(self, state, states, keys, mask):
        scores = self.energy(torch.tanh(keys + self.query(state)[:, None])).squeeze(-1)
        weights = scores.masked_fill(~mask, -1e9).softmax(dim=-1)
        return (weights[:, :, None] * states).sum(dim=1)

    def step(self, token, state, states, keys, mask):
        context = self.attend(state, states, keys, mask)
        state = self.cell(torch.cat([self.embed(token), context], dim=-1), state)
        return self.head(torch.cat([state, context], dim=-1)), state

    def forward(self, source, mask, previous):
        states, state = self.encoder(source, mask)
        keys, logits = self.key(states), []
        for i in range(previous.shape[1]):
            out, state = self.step(previous[:, i], state, states, keys, mask)
            logits.append(out)
        return torch.stack(logits, dim=1)

    @torch.no_grad()
    def greedy(self, source, mask, steps):
        states, state = self.encoder(source, mask)
        keys, token = self.key(states), torch.full((len(source),), BOS)
        result, done = [], torch.zeros(len(source), dtype=torch.bool)
        for _ in range(steps):
            logits, state = self.step(token, state, states, keys, mask)
            token = logits.argmax(dim=-1).masked_fill(done, PAD)
            done = done | (token == EOS)
            result.append(token)
        return torch.stack(result, dim=1)


def build_model():
    return Seq2Seq()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    n, code = 1200, torch.randperm(VOCAB - 3, generator=g) + 3
    source = torch.zeros(n, LONGEST, dtype=torch.long)
    target = torch.zeros(n, LONGEST + 2, dtype=torch.long)
    for i in range(n):
        k = int(torch.randint(3, LONGEST + 1, (1,), generator=g))
        source[i, :k] = torch.randint(3, VOCAB, (k,), generator=g)
        target[i, 0], target[i, k + 1] = BOS, EOS
        target[i, 1 : k + 1] = code[source[i, :k].flip(0) - 3]
    return source, target


def make_splits(raw=None, seed=0):
    source, target = load_raw(seed) if raw is None else raw
    # The same string may have been drawn twice: split the distinct strings.
    _, group = torch.unique(source, dim=0, return_inverse=True)
    place = torch.randperm(int(group.max()) + 1, generator=torch.Generator().manual_seed(seed + 1))[group]
    cut = place.float() / (place.max() + 1)
    parts = {"train": cut < 0.8, "val": (cut >= 0.8) & (cut < 0.9), "test": cut >= 0.9}
    mask = source != PAD
    return {k: TensorDataset(source[i], mask[i], target[i, :-1], target[i, 1:]) for k, i in parts.items()}


def model_inputs(batch):
    return batch[0], batch[1], batch[2]


def compute_loss(out, batch):
    return F.cross_entropy(out.reshape(-1, VOCAB), batch[3].reshape(-1), ignore_index=PAD)


def train(model, splits, steps=90, batch_size=64, lr=6e-3):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
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
def evaluate(model, dataset, batch_size=64):
    """Token accuracy of the freely decoded output over the real tokens (end mark included)."""
    model.eval()
    right = total = 0
    for source, mask, _, gold in DataLoader(dataset, batch_size=batch_size):
        guess = model.greedy(source, mask, gold.shape[1])
        real = gold != PAD
        right += ((guess == gold) & real).sum().item()
        total += real.sum().item()
    return right / total


def run(model, splits, steps=90):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "token accuracy", result["test"])
