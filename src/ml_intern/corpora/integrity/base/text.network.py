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


def predict(network, rows):
    network.eval()
    with torch.no_grad():
        return network(encode(rows)).argmax(1).tolist()
