"""The usage example of a card: exact, executable, and run before anyone is told that the model is published."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ml_intern.core.errors import ToolError
from ml_intern.core.facts import Column
from ml_intern.publishing.record import ModelRecord

_FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SIZE = re.compile(r"(\d+)\s*[x×]\s*(\d+)")  # noqa: RUF001 - the sign people write sizes with
_MODE = re.compile(r"\b(RGBA|RGB|L)\b")
_NUMBER = re.compile(r"\d+")
_DEFAULT_IMAGE = (1, 3, 224, 224)  # batch, channels, height, width
_MODE_OF_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}


def usage(record: ModelRecord, *, repository: str, folder: Path | None) -> str:
    """Write the code that loads the published model and predicts one example row.

    It names `main`, not a commit: a card cannot contain the hash of the commit that contains it.

    Args:
        record: the model.
        repository: `namespace/name` on a Hub.
        folder: where the model was published to instead, on this machine.
    """
    columns = record.dataset.inputs
    row = ", ".join(f"{c.name!r}: {_example(c, record.network.input_shapes)}" for c in columns)
    name = _identifier(record.network.class_name)
    lines = [
        "import json",
        "import sys",
        "",
        *(["from huggingface_hub import snapshot_download"] if folder is None else []),
        *(["from PIL import Image"] if any(c.kind == "image" for c in columns) else []),
        "from safetensors.torch import load_model",
        "",
        f"folder = {str(folder)!r}" if folder else f'folder = snapshot_download("{repository}", revision="main")',
        "sys.path.insert(0, folder)",
        f"from modeling import {name}, predict",
        "",
        'with open(folder + "/config.json") as file:',
        "    config = json.load(file)",
        f'network = {name}(**config["arguments"])',
        'load_model(network, folder + "/model.safetensors")',
        "network.eval()",
        "",
        f"rows = [{{{row}}}]",
        "print(predict(network, rows))",
    ]
    return "\n".join(lines)


def extract(card: str) -> str:
    """Give the one Python block of a card.

    Raises:
        ToolError: there is none, or more than one.
    """
    blocks = _FENCE.findall(card)
    if len(blocks) != 1:
        raise ToolError(f"the card has {len(blocks)} Python blocks where one is expected")
    return str(blocks[0])


def _identifier(name: str) -> str:
    if not name.isidentifier():
        raise ToolError(f"{name!r} is no class name; verify the network again")
    return name


def _example(column: Column, shapes: Sequence[str]) -> str:
    """Write a value of the column's kind as Python."""
    match column.kind:
        case "image":
            return _image(column.detail, shapes)
        case "text":
            return "'An example sentence.'"
        case "number":
            return "0.0"
        case "integer" | "label":
            return "0"
        case "list":
            return f"[0.0] * {_length(shapes)}"
        case _:
            return "None"


def _image(detail: str, shapes: Sequence[str]) -> str:
    """Write a blank image, of the size and mode that the data have, else of those the network was verified with."""
    shape = _sizes(shapes[0]) if shapes else []
    size, mode = _SIZE.search(detail), _MODE.search(detail)
    _, channels, height, width = shape if len(shape) == len(_DEFAULT_IMAGE) else _DEFAULT_IMAGE
    if size:
        width, height = int(size[1]), int(size[2])
    return f"Image.new({(mode[1] if mode else _MODE_OF_CHANNELS.get(channels, 'RGB'))!r}, ({width}, {height}))"


def _length(shapes: Sequence[str]) -> int:
    """Take the length of a list from the last axis of what the network was verified with."""
    shape = _sizes(shapes[0]) if shapes else []
    return shape[-1] if shape else 1


def _sizes(shape: str) -> list[int]:
    return [int(size) for size in _NUMBER.findall(shape)]
