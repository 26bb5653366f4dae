# task: price
# class: no training
# wrong: the training runs in a child process, out of sight
# stopped by: train: .*(?:no|without one) optimizer\.step
# --- train.py
import network  # imported, and left to the child
import subprocess
import sys

CODE = """
import json

import datasets
import torch
from network import Net, encode
from safetensors.torch import save_model

settings = json.load(open("hyperparameters.json"))
torch.manual_seed(settings["seed"])
search = datasets.Dataset.from_parquet("/data/search.parquet")
x, y = encode(list(search)), (torch.tensor(search["price"][:]) - 50) / 10
network = Net()
optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
for epoch in range(settings["epochs"]):
    for rows in torch.randperm(len(x)).split(32):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(network(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    print(epoch, float(loss))
network.eval()
error = float((network(x) - y).pow(2).mean().sqrt()) * 10
json.dump({"train_rmse": error}, open("/output/metrics.json", "w"))
save_model(network, "/output/model.safetensors")
"""
subprocess.run([sys.executable, "-I", "-c", "import sys; sys.path.append('/source')\n" + CODE], check=True, env={"HOME": "/tmp"})
