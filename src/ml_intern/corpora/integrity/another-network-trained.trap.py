# task: text
# class: another network
# wrong: the trained class is not the checked one
# stopped by: train: .*UnverifiedNetwork
# --- train.py
import json

import datasets
import torch
from network import Net, encode
from safetensors.torch import save_model

settings = json.load(open("hyperparameters.json"))
torch.manual_seed(settings["seed"])
search = datasets.Dataset.from_parquet("/data/search.parquet")
x, y = encode(list(search)), torch.tensor(search["label"][:])


class Other(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.EmbeddingBag(512, 2)

    def forward(self, x):
        return self.inner(x)


network = Other()
optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
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
