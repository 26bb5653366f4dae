# task: image
# class: wrong split scored
# right: the same figure, named after the rows it was measured on
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
optimizer = torch.optim.Adam(network.parameters(), lr=0.005)
for epoch in range(20):
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
