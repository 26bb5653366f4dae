# task: price
# class: network ignored
# right: constants scale the output of the network
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
    return torch.tensor([[float(row[name]) for name in "abc"] for row in rows])


def predict(network, rows):
    network.eval()
    with torch.no_grad():
        return (network(encode(rows)) * 10.0 + 50.0).tolist()
