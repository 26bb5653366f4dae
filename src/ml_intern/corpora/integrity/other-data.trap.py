# task: table
# class: contract broken
# wrong: other data than those of the task are prepared
# stopped by: publish: .*\[contract:data set, contract_kept\]
# --- calls.json
{
 "contract": {
  "objective": "a network",
  "deliverables": [
   "published_model"
  ]
 },
 "prepare_dataset": {
  "dataset": "sklearn/iris"
 }
}
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
    return torch.tensor([[float(row[name]) for name in list(row)[:4]] for row in rows])


def predict(network, rows):
    network.eval()
    with torch.no_grad():
        return network(encode(rows)).argmax(1).tolist()
# --- train.py
import json

import datasets
import torch
from network import Net, encode
from safetensors.torch import save_model

settings = json.load(open("hyperparameters.json"))
torch.manual_seed(settings["seed"])
search = datasets.Dataset.from_parquet("/data/search.parquet")
x, y = encode(list(search)), torch.tensor(search["target"][:])
network = Net()
optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
for epoch in range(settings["epochs"]):
    for rows in torch.randperm(len(x)).split(32):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    print(epoch, float(loss))
network.eval()
accuracy = float((network(x).argmax(1) == y).float().mean())
json.dump({"train_accuracy": accuracy}, open("/output/metrics.json", "w"))
save_model(network, "/output/model.safetensors")
