"""Describe tensors, layers and plain values of a network in few words, without running code of the candidate."""

from __future__ import annotations

import re

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

_DEFAULTS = re.compile(
    r", (?:eps=1e-05|momentum=0\.1|affine=True|bias=True|track_running_stats=True|elementwise_affine=True)"
)
_LISTED = 6


def describe(value: object) -> str:
    """Write tensors as `float32[2, 3]`, layers as their class and sizes, small plain values; else an empty text.

    What differs from float32 weights on the CPU is said: `Linear(4, 2) in float16`, `float32[2, 3] on cuda:0`.
    """
    if isinstance(value, torch.Tensor):
        return f"{kind(value.dtype)}{list(value.shape)}{_place(value.device)}"
    if isinstance(value, nn.Module):
        return _layer(value)
    if isinstance(value, DataLoader | TensorDataset | Dataset):
        return _data(value)
    if isinstance(value, tuple | list):
        return _several(value)
    return _plain(value)


def kind(dtype: torch.dtype) -> str:
    """Give `float32` for `torch.float32`."""
    return str(dtype).removeprefix("torch.")


def layer_path(network: nn.Module | None, layer: nn.Module) -> str:
    """Give the path of `layer` in `network`, such as `blocks.1.attention`; empty where it is no part of it."""
    pending = [("", network)] if network is not None else []
    seen: set[int] = set()
    while pending:
        path, module = pending.pop(0)
        if module is layer:
            return path or "the network itself"
        if id(module) not in seen:
            seen.add(id(module))
            pending += [(f"{path}.{name}".lstrip("."), m) for name, m in module._modules.items() if m is not None]
    return ""


def weights_of(layer: nn.Module) -> torch.Tensor | None:
    """Give the first parameter or buffer of a layer or of what is in it."""
    pending = [layer]
    while pending:
        module = pending.pop(0)
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None:
                return tensor
        pending += [inner for inner in module._modules.values() if inner is not None]
    return None


def crop(text: str, limit: int) -> str:
    """Cut `text` to `limit` characters, and show that it was cut."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _plain(value: object) -> str:
    if type(value) is dict and value and all(type(key) is str for key in value):
        return crop(f"dict with {', '.join(value)}", 90)
    if isinstance(value, torch.dtype | torch.device):
        return str(value).removeprefix("torch.")
    return crop(repr(value), 40) if type(value) in {int, float, bool, str} else ""


def _place(device: torch.device) -> str:
    return "" if device.type == "cpu" else f" on {device}"


def _layer(layer: nn.Module) -> str:
    # Only torch's own layers are asked how they were built: `extra_repr` of others is the candidate's code.
    told = _DEFAULTS.sub("", layer.extra_repr()) if type(layer).__module__.startswith("torch.") else "…"
    text = crop(f"{type(layer).__name__}({told or len(layer._modules)})", 90)
    weights = weights_of(layer)
    if weights is None:
        return text
    unusual = "" if weights.dtype == torch.float32 or not weights.is_floating_point() else f" in {kind(weights.dtype)}"
    return f"{text}{unusual}{_place(weights.device)}"


def _data(value: object) -> str:
    if type(value) is DataLoader:
        return f"DataLoader({_data(value.dataset)})"
    if type(value) is TensorDataset:
        return f"TensorDataset{_several(value.tensors)}"
    return f"{type(value).__name__}(…)"


def _several(value: tuple | list) -> str:
    """Describe each item; of many only the first, and how many there are."""
    inner = [describe(item) for item in value[:_LISTED]]
    if not all(inner) or (len(value) > _LISTED and not isinstance(value[0], torch.Tensor)):
        return ""
    more = f", … {len(value)} in all" if len(value) > _LISTED else ""
    return f"({', '.join(inner)}{more})"
