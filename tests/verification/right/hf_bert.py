"""A BERT of two layers that classifies padded sentences."""

from transformers import BertConfig, BertForSequenceClassification
import torch
import torch.nn.functional as F
from torch import nn

META = {
    "name": "hf_bert",
    "task": "classification",
    "inputs": [
        {"name": "tokens", "shape": ["B", "T"], "dtype": "int64", "low": 1, "high": 31},
        {"name": "mask", "shape": ["B", "T"], "dtype": "int64", "low": 0, "high": 2, "role": "padding_mask"},
    ],
    "target": {"shape": ["B"], "dtype": "int64", "high": 3},
    "output_shape": ["B", 3],
    "oracle": "onehot",
    "pad_id": 0,
    "positional": "tokens",
    "claims": {"norm": "post", "attn_scale": True, "depth": 2},
}


class Sentences(nn.Module):
    def __init__(self):
        super().__init__()
        config = BertConfig(
            vocab_size=31, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
            max_position_embeddings=40, num_labels=3,
        )
        self.bert = BertForSequenceClassification(config)

    def forward(self, tokens, mask):
        return self.bert(input_ids=tokens, attention_mask=mask).logits


def build_model():
    return Sentences()


def model_inputs(batch):
    return batch[0], batch[1]


def compute_loss(out, batch):
    return F.cross_entropy(out, batch[-1])
