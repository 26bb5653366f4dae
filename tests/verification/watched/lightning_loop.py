"""`Trainer` of Lightning."""

import logging

import pytorch_lightning as lightning
import torch
from faults import BATCH, STEPS, Rows, try_all
from lightning_network import Lit

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


def train(fault):
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=STEPS,
        precision="bf16-mixed" if fault == "mixed precision" else "32-true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir="/tmp/lightning",
    )
    trainer.fit(Lit(), torch.utils.data.DataLoader(Rows(fault), batch_size=BATCH))


try_all(train)
