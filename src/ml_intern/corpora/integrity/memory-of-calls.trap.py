# task: text
# class: unsteady predictions
# wrong: predict changes with the number of calls
# stopped by: evaluate: .*\[evaluation:depends_on_other_rows\]
# --- network.py
import zlib

import torch

WORDS = 512


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(WORDS, 16, padding_idx=0)
        self.head = torch.nn.Sequential(torch.nn.LayerNorm(16), torch.nn.Linear(16, 2))

    def forward(self, tokens):  # (batch, 12)
        return self.head(self.embedding(tokens).mean(1))


def encode(rows):
    numbers = [[1 + zlib.crc32(word.encode()) % (WORDS - 1) for word in row["text"].split()][:12] for row in rows]
    return torch.tensor([line + [0] * (12 - len(line)) for line in numbers])


CALLS = []


def predict(network, rows):
    CALLS.append(1)
    network.eval()
    with torch.no_grad():
        return network(encode(rows)).add(torch.tensor([0.0, 9.0 * (len(CALLS) > 2)])).argmax(1).tolist()
