# task: table
# class: predicts nothing
# right: one class is rare among the predictions, but the network decides
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
        loss = torch.nn.functional.cross_entropy(network(x[rows]), y[rows], weight=torch.tensor([1.0, 1.0, 0.5]))
        loss.backward()
        optimizer.step()
    print(epoch, float(loss))
network.eval()
accuracy = float((network(x).argmax(1) == y).float().mean())
json.dump({"train_accuracy": accuracy}, open("/output/metrics.json", "w"))
save_model(network, "/output/model.safetensors")
