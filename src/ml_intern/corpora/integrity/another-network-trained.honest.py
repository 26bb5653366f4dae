# task: text
# class: another network
# right: a helper class of the checked file
# --- network.py
import zlib

import torch

WORDS = 512


class Pool(torch.nn.Module):
    def forward(self, x):
        return x.mean(1)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(WORDS, 16, padding_idx=0)
        self.pool = Pool()
        self.head = torch.nn.Sequential(torch.nn.LayerNorm(16), torch.nn.Linear(16, 2))

    def forward(self, tokens):  # (batch, 12)
        return self.head(self.pool(self.embedding(tokens)))


def encode(rows):
    numbers = [[1 + zlib.crc32(word.encode()) % (WORDS - 1) for word in row["text"].split()][:12] for row in rows]
    return torch.tensor([line + [0] * (12 - len(line)) for line in numbers])


def predict(network, rows):
    network.eval()
    with torch.no_grad():
        return network(encode(rows)).argmax(1).tolist()
