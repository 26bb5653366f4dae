"""Encoder-decoder with GRUs and attention: a toy translation that renames every word and turns the sentence round."""
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, TensorDataset

PAD, BOS, EOS = 0, 1, 2
WORDS, LONGEST = 10, 6
VOCAB = WORDS + 3
META = {
    "name": "translate", "task": "seq2seq", "num_classes": VOCAB, "pad_id": PAD,
    "inputs": [
        {"name": "src", "shape": ["B", LONGEST], "dtype": "int64", "low": 3, "high": VOCAB},
        {"name": "src_mask", "shape": ["B", LONGEST], "dtype": "bool", "role": "padding_mask"},
        {"name": "tgt_in", "shape": ["B", LONGEST + 1], "dtype": "int64", "low": 1, "high": VOCAB},
    ],
    "batch": [
        {"name": "src", "shape": ["B", LONGEST], "dtype": "int64", "low": 3, "high": VOCAB},
        {"name": "src_mask", "shape": ["B", LONGEST], "dtype": "bool", "role": "padding_mask"},
        {"name": "tgt", "shape": ["B", LONGEST + 2], "dtype": "int64", "low": 1, "high": VOCAB},
    ],
    "output_shape": ["B", LONGEST + 1, VOCAB], "oracle": None, "causal": False, "claims": {},
}


class Seq2Seq(nn.Module):
    def __init__(self, dim=40):
        super().__init__()
        self.src_embed = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        self.tgt_embed = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        self.encoder = nn.GRU(dim, dim, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * dim, dim)
        self.memory = nn.Linear(2 * dim, dim)
        self.decoder = nn.GRU(dim, dim, batch_first=True)
        self.combine = nn.Linear(2 * dim, dim)
        self.head = nn.Linear(dim, VOCAB)

    def encode(self, src, src_mask):
        lengths = src_mask.sum(1).clamp(min=1).cpu()
        packed = pack_padded_sequence(self.src_embed(src), lengths, batch_first=True, enforce_sorted=False)
        states, last = self.encoder(packed)
        states, _ = pad_packed_sequence(states, batch_first=True, total_length=src.shape[1])
        start = torch.tanh(self.bridge(torch.cat([last[0], last[1]], dim=-1)))
        return self.memory(states), start.unsqueeze(0)

    def decode(self, tgt_in, memory, src_mask, hidden):
        h, hidden = self.decoder(self.tgt_embed(tgt_in), hidden)
        scores = h @ memory.transpose(1, 2)  # (B, T, S)
        scores = scores.masked_fill(~src_mask[:, None, :], -1e9)
        context = scores.softmax(dim=-1) @ memory
        return self.head(torch.tanh(self.combine(torch.cat([h, context], dim=-1)))), hidden

    def forward(self, src, src_mask, tgt_in):
        memory, hidden = self.encode(src, src_mask)
        return self.decode(tgt_in, memory, src_mask, hidden)[0]

    @torch.no_grad()
    def translate(self, src, src_mask, steps=LONGEST + 1):
        """Greedy decoding, one token at a time from its own output."""
        memory, hidden = self.encode(src, src_mask)
        token = torch.full((len(src), 1), BOS)
        said = []
        for _ in range(steps):
            logits, hidden = self.decode(token, memory, src_mask, hidden)
            token = logits.argmax(-1)
            said.append(token)
        return torch.cat(said, dim=1)


def build_model():
    return Seq2Seq()


def load_raw(seed=0):
    g = torch.Generator().manual_seed(seed)
    dictionary = torch.randperm(WORDS, generator=g) + 3
    pairs = []
    for _ in range(1600):
        length = int(torch.randint(3, LONGEST + 1, (1,), generator=g))
        src = torch.randint(0, WORDS, (length,), generator=g)
        pairs.append((src + 3, dictionary[src].flip(0)))
    return pairs


def tensorize(pairs):
    src = torch.full((len(pairs), LONGEST), PAD)
    tgt = torch.full((len(pairs), LONGEST + 2), PAD)
    for i, (s, t) in enumerate(pairs):
        src[i, :len(s)] = s
        tgt[i, 0] = BOS
        tgt[i, 1:len(t) + 1] = t
        tgt[i, len(t) + 1] = EOS
    return TensorDataset(src, src != PAD, tgt)


def make_splits(raw=None, seed=0):
    pairs = load_raw(seed) if raw is None else raw
    seen, unique = set(), []
    for src, tgt in pairs:  # a sentence that came twice must not be on both sides of the split
        if tuple(src.tolist()) not in seen:
            seen.add(tuple(src.tolist()))
            unique.append((src, tgt))
    a, b = len(unique) - 300, len(unique) - 150
    return {"train": tensorize(unique[:a]), "val": tensorize(unique[a:b]), "test": tensorize(unique[b:])}


def model_inputs(batch):
    src, src_mask, tgt = batch
    return src, src_mask, tgt[:, :-1]


def compute_loss(out, batch):
    target = batch[2][:, 1:]
    return nn.functional.cross_entropy(out.flatten(0, 1), target.flatten(), ignore_index=PAD)


@torch.no_grad()
def mean_loss(model, dataset):
    model.eval()
    loader = DataLoader(dataset, batch_size=75)
    return sum(compute_loss(model(*model_inputs(b)), b).item() for b in loader) / len(loader)


def train(model, splits, steps=200, batch_size=50, lr=8e-3, check_every=30):
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, mode="min", factor=0.5, patience=1)
    history = []
    while len(history) < steps:
        for batch in DataLoader(splits["train"], batch_size=batch_size, shuffle=True):
            model.train()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            opt.step()
            history.append(loss.item())
            if len(history) % check_every == 0:
                plateau.step(mean_loss(model, splits["val"]))
            if len(history) >= steps:
                break
    return history


def until_eos(tokens):
    return tokens[:tokens.index(EOS)] if EOS in tokens else tokens


@torch.no_grad()
def evaluate(model, dataset):
    """Share of sentences translated without a mistake by greedy decoding."""
    model.eval()
    right = 0
    for src, src_mask, tgt in DataLoader(dataset, batch_size=50):
        for said, reference in zip(model.translate(src, src_mask).tolist(), tgt[:, 1:].tolist()):
            right += until_eos(said) == until_eos(reference)
    return right / len(dataset)


def run(model, splits, steps=200):
    history = train(model, splits, steps=steps)
    return {"history": history, "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    result = run(build_model(), make_splits())
    print("final loss", result["history"][-1], "test exact match", result["test"])
