"""Small bundles written by hand, with weights encoded by the standard library."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

NETWORK = """
import numpy
import torch


class Linear(torch.nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer = torch.nn.Linear(inputs, outputs)

    def forward(self, values):
        return self.layer(values)


def batch_of(rows):
    return torch.stack([torch.tensor(numpy.array(row["image"])).float().flatten() / 255 for row in rows])

"""

PREDICT = """
def predict(network, rows):
    return network(batch_of(rows)).argmax(-1).tolist()
"""


def safetensors(tensors: Mapping[str, Sequence[Sequence[float]] | Sequence[float]]) -> bytes:
    """Encode tensors of one or two dimensions. Source: the format description of the safetensors repository."""
    header: dict[str, object] = {}
    body = b""
    for name, tensor in tensors.items():
        rows = [row if isinstance(row, Sequence) else [row] for row in tensor]
        flat = [value for row in rows for value in row]
        is_matrix = isinstance(tensor[0], Sequence)
        shape = [len(tensor), len(rows[0])] if is_matrix else [len(tensor)]
        content = struct.pack(f"<{len(flat)}f", *flat)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(content)]}
        body += content
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + body


def linear_weights(inputs: int = 64, outputs: int = 10) -> bytes:
    """Weights that answer by single pixels: poor, but different from row to row."""
    weight = [[float(column % outputs == row) for column in range(inputs)] for row in range(outputs)]
    return safetensors({"layer.weight": weight, "layer.bias": [0.0] * outputs})


def write_bundle(
    folder: Path,
    *,
    modeling: str = NETWORK + PREDICT,
    weights: bytes | None = None,
    config: Mapping[str, object] | None = None,
) -> Path:
    """Write a bundle of a linear network on 8x8 images."""
    folder.mkdir(parents=True, exist_ok=True)
    described = config or {"architecture": "Linear", "arguments": {"inputs": 64, "outputs": 10}}
    (folder / "modeling.py").write_text(modeling, encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(described), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(linear_weights() if weights is None else weights)
    return folder
