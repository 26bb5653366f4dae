# task: table
# class: predicts nothing
# wrong: predict always answers the first class
# stopped by: publish: .*\[.*constant_predictions
# --- network.py
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(4, 24), torch.nn.ReLU(), torch.nn.LayerNorm(24))
        self.head = torch.nn.Linear(24, 3)

    def forward(self, x):
        return self.head(self.body(x))


def encode(rows):
    return torch.tensor([[float(row[name]) for name in "abcd"] for row in rows])


def predict(network, rows):
    network.eval()
    with torch.no_grad():
        return [0 for _ in network(encode(rows))]
