# task: price
# class: unsteady predictions
# right: normalisation with constants
# --- network.py
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(3, 32), torch.nn.ReLU(), torch.nn.LayerNorm(32))
        self.head = torch.nn.Linear(32, 1)

    def forward(self, x):
        return self.head(self.body(x)).squeeze(-1)


def encode(rows):
    return torch.tensor([[float(row[name]) for name in "abc"] for row in rows]) * 0.9


def predict(network, rows):
    network.eval()
    with torch.no_grad():
        return (network(encode(rows)) * 10 + 50).tolist()
