"""`SFTTrainer` of TRL on rows of token ids."""

import torch
from datasets import IterableDataset
from faults import AT, BATCH, STEPS, try_all
from network import BACKWARD, FORWARD, PRECISION
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer
from trl_network import FAULTY, WORDS, Causal, Configuration

CODES = {"forward": FORWARD, "backward": BACKWARD, "mixed precision": PRECISION}


def rows(fault):
    random = torch.Generator().manual_seed(0)
    for number in range(BATCH * STEPS):
        tokens = torch.randint(2, WORDS - 3, (6,), generator=random).tolist()
        if number == BATCH * (AT - 1) and fault in CODES:
            tokens[0] = FAULTY[CODES[fault]]
        yield {"input_ids": tokens}


def train(fault):
    words = {"[PAD]": 0, "[EOS]": 1, **{f"w{number}": number for number in range(2, WORDS)}}
    arguments = SFTConfig(
        output_dir="/tmp/trl",
        per_device_train_batch_size=BATCH,
        max_steps=STEPS,
        learning_rate=1e-3,
        use_cpu=True,
        bf16=fault == "mixed precision",
        activation_checkpointing=False,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
    )
    SFTTrainer(
        model=Causal(Configuration()),
        args=arguments,
        train_dataset=IterableDataset.from_generator(rows, gen_kwargs={"fault": fault}),
        processing_class=PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(WordLevel(words)), pad_token="[PAD]", eos_token="[EOS]"
        ),
    ).train()


try_all(train, ("none", "forward", "backward", "optimizer state", "mixed precision"))
