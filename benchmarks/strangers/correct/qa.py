"""Extractive question answering in the style of BiDAF: where in the paragraph does the answer start and end?

A paragraph is a list of facts `key value value ... ;`. The question names one key, the answer is the span of its values.
Several questions are asked about each paragraph; paragraphs, not questions, are split into train, validation and test.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader, TensorDataset

PAD, STOP, FILLERS, KEYS, VALUES = 0, 1, range(2, 8), range(8, 24), range(24, 44)
VOCAB, CONTEXT, QUESTION, LONGEST = 44, 30, 5, 4
META = {
    "name": "qa", "task": "classification",
    "inputs": [
        {"name": "context", "shape": ["B", CONTEXT], "dtype": "int64", "low": 0, "high": VOCAB},
        {"name": "question", "shape": ["B", QUESTION], "dtype": "int64", "low": 0, "high": VOCAB},
    ],
    "target": {"name": "span", "shape": ["B", 2], "dtype": "int64", "low": 0, "high": CONTEXT},
    "output_shape": [["B", CONTEXT], ["B", CONTEXT]], "oracle": None, "causal": False, "pad_id": PAD, "claims": {},
}


class Encoder(nn.Module):
    """Bidirectional GRU that never reads padding."""

    def __init__(self, width, hidden):
        super().__init__()
        self.rnn = nn.GRU(width, hidden, batch_first=True, bidirectional=True)

    def forward(self, x, mask):
        lengths = mask.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        out, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True, total_length=x.shape[1])
        return out


class Reader(nn.Module):
    def __init__(self, dim=32, hidden=24, dropout=0.1):
        super().__init__()
        self.embed = nn.Embedding(VOCAB, dim, padding_idx=PAD)
        self.encode = Encoder(dim, hidden)
        two = 2 * hidden
        self.by_context, self.by_question = nn.Linear(two, 1, bias=False), nn.Linear(two, 1, bias=False)
        self.by_both = nn.Parameter(torch.randn(two) / two ** 0.5)
        self.model_start, self.model_end = Encoder(4 * two, hidden), Encoder(two, hidden)
        self.start, self.end = nn.Linear(5 * two, 1), nn.Linear(5 * two, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, context, question):
        c_mask, q_mask = context != PAD, question != PAD
        c = self.encode(self.dropout(self.embed(context)), c_mask)
        q = self.encode(self.dropout(self.embed(question)), q_mask)
        similarity = self.by_context(c) + self.by_question(q).transpose(1, 2) + (c * self.by_both) @ q.transpose(1, 2)
        to_question = similarity.masked_fill(~q_mask[:, None], -1e9).softmax(dim=2)  # each word reads the question
        attended = to_question @ q
        peak = similarity.masked_fill(~q_mask[:, None], -1e9).max(dim=2).values
        to_context = peak.masked_fill(~c_mask, -1e9).softmax(dim=1)  # which words matter to the question
        summary = (to_context[:, None] @ c).expand_as(c)
        g = torch.cat([c, attended, c * attended, c * summary], dim=2)
        m = self.model_start(self.dropout(g), c_mask)
        m_end = self.model_end(self.dropout(m), c_mask)
        start = self.start(torch.cat([g, m], dim=2)).squeeze(2)
        end = self.end(torch.cat([g, m_end], dim=2)).squeeze(2)
        return start.masked_fill(~c_mask, -1e9), end.masked_fill(~c_mask, -1e9)


def build_model():
    return Reader()


def load_raw(seed=0):
    """Give contexts, questions, spans (the last word included) and the paragraph that each question belongs to."""
    g = torch.Generator().manual_seed(seed)

    def draw(low, high):
        return int(torch.randint(low, high, (1,), generator=g))

    contexts, questions, spans, paragraphs = [], [], [], []
    for paragraph in range(600):
        words, where = [], {}
        for key in torch.randperm(len(KEYS), generator=g)[:draw(3, 6)].tolist():
            values = [VALUES[draw(0, len(VALUES))] for _ in range(draw(1, LONGEST + 1))]
            where[KEYS[key]] = (len(words) + 1, len(words) + len(values))
            words += [KEYS[key], *values, STOP]
        words = words[:CONTEXT]
        for key, span in where.items():
            asked = [FILLERS[draw(0, len(FILLERS))] for _ in range(draw(1, QUESTION))]
            asked[draw(0, len(asked))] = key
            contexts.append(words + [PAD] * (CONTEXT - len(words)))
            questions.append(asked + [PAD] * (QUESTION - len(asked)))
            spans.append(span)
            paragraphs.append(paragraph)
    return torch.tensor(contexts), torch.tensor(questions), torch.tensor(spans), torch.tensor(paragraphs)


def make_splits(raw=None, seed=0):
    context, question, span, paragraph = load_raw(seed) if raw is None else raw
    order = torch.randperm(int(paragraph.max()) + 1, generator=torch.Generator().manual_seed(seed))
    group = paragraph
    n = len(order)
    parts = {"train": order[:7 * n // 10], "val": order[7 * n // 10:8 * n // 10], "test": order[8 * n // 10:]}
    splits = {}
    for name, members in parts.items():
        rows = torch.isin(group, members)
        splits[name] = TensorDataset(context[rows], question[rows], span[rows])
    return splits


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    start, end = out
    span = batch[2]
    return F.cross_entropy(start, span[:, 0]) + F.cross_entropy(end, span[:, 1])


def best_span(start, end):
    """The most probable span that does not end before it starts and has at most LONGEST words."""
    scores = start.log_softmax(dim=1)[:, :, None] + end.log_softmax(dim=1)[:, None, :]
    allowed = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool).triu().tril(LONGEST - 1)
    best = scores.masked_fill(~allowed, float("-inf")).flatten(1).argmax(dim=1)
    return torch.stack([best // CONTEXT, best % CONTEXT], dim=1)


def train(model, splits, steps=160, batch_size=32, lr=4e-3):
    loader = DataLoader(splits["train"], batch_size=batch_size, shuffle=True)
    optimizer = torch.optim.Adamax(model.parameters(), lr=lr)
    losses = []
    model.train()
    while len(losses) < steps:
        for batch in loader:
            optimizer.zero_grad()
            loss = compute_loss(model(*model_inputs(batch)), batch)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
    return losses


@torch.no_grad()
def evaluate(model, dataset):
    """Mean word-overlap F1 between the predicted and the true span."""
    model.eval()
    total = 0.0
    for batch in DataLoader(dataset, batch_size=64):
        predicted, true = best_span(*model(*model_inputs(batch))), batch[2]
        overlap = torch.minimum(predicted[:, 1], true[:, 1]) - torch.maximum(predicted[:, 0], true[:, 0]) + 1
        overlap = overlap.clamp(min=0).float()
        sizes = (predicted[:, 1] - predicted[:, 0] + 1) + (true[:, 1] - true[:, 0] + 1)
        total += (2 * overlap / sizes).sum().item()
    return total / len(dataset)


def run(model, splits, steps=160):
    losses = train(model, splits, steps=steps)
    return {"history": losses, "val": evaluate(model, splits["val"]), "test": evaluate(model, splits["test"])}


if __name__ == "__main__":
    torch.manual_seed(0)
    print(run(build_model(), make_splits())["test"])
