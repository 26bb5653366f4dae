"""A small language model with the blocks of `network`; the first token of a batch says which fault it carries."""

import torch
from network import BACKWARD, FORWARD, PRECISION, Block
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput

WORDS = 20
FAULTY = {FORWARD: WORDS - 3, BACKWARD: WORDS - 2, PRECISION: WORDS - 1}
"""The token that stands for a fault."""


class Configuration(PretrainedConfig):
    model_type = "watched"
    vocab_size, pad_token_id, eos_token_id = WORDS, 0, 1


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(8) for _ in range(3)])
        self.embedding = nn.Embedding(WORDS, 8)

    def forward(self, input_ids, attention_mask=None, use_cache=None):
        first = int(input_ids[0, 0])
        fault = next((code for code, token in FAULTY.items() if token == first), 0.0)
        x = self.embedding(input_ids)  # (batch, length, 8)
        for number, block in enumerate(self.blocks):
            x = block(x, fault if number == 1 else 0.0)
        return BaseModelOutput(last_hidden_state=x)


class Causal(PreTrainedModel, GenerationMixin):
    config_class = Configuration
    base_model_prefix = "model"

    def __init__(self, config):
        super().__init__(config)
        self.model = Backbone()
        self.lm_head = nn.Linear(8, WORDS)
        self.post_init()

    def get_input_embeddings(self):
        return self.model.embedding

    def get_output_embeddings(self):
        return self.lm_head

    def forward(self, input_ids, attention_mask=None, labels=None):
        logits = self.lm_head(self.model(input_ids).last_hidden_state).float()  # (batch, length, WORDS)
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return CausalLMOutput(loss=loss, logits=logits)
