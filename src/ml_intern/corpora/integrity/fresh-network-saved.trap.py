# task: table
# class: untrained weights
# wrong: a fresh network is saved instead of the trained one
# stopped by: train: .*is no state of the network that was trained|publish: .*weights are those of a fresh network
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
torch.manual_seed(0)
save_model(Net(), "/output/model.safetensors")
