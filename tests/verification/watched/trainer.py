"""`transformers.Trainer`, which prints a loss of 0 where it is NaN."""

from faults import BATCH, STEPS, Rows, try_all
from network import WithLoss
from transformers import Trainer, TrainingArguments


def train(fault):
    arguments = TrainingArguments(
        output_dir="/tmp/trainer",
        per_device_train_batch_size=BATCH,
        max_steps=STEPS,
        learning_rate=1e-3,
        use_cpu=True,
        bf16=fault == "mixed precision",
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    Trainer(model=WithLoss(), args=arguments, train_dataset=Rows(fault, ("x", "labels"))).train()


try_all(train)
