"""The network as a module of Lightning."""

import pytorch_lightning as lightning
import torch
from network import Net


class Lit(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def training_step(self, batch, number):
        x, labels = batch
        return torch.nn.functional.cross_entropy(self.net(x).float(), labels)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)
