"""Say what to try when a network fails, from the message of the error and the tensors at hand.

The messages are those of torch 2.x; one that is not known gets no hint, never a guess.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where it failed: the innermost layer, the tensors of its `forward`, and the operands of the expression."""

    layer: nn.Module | None
    tensors: Mapping[str, torch.Tensor]
    operands: Mapping[str, object]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of every tensor in sight, those of the innermost layer first."""
        given = [*self.tensors.values(), *self.operands.values()]
        return [tuple(value.shape) for value in given if isinstance(value, torch.Tensor)]


def hint(message: str, scene: Scene) -> str:
    """Give one sentence on what to try, or an empty text."""
    for pattern, answer in _RULES:
        if match := re.search(pattern, message):
            return answer.format(*match.groups()) if isinstance(answer, str) else answer(match, scene)
    return ""


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"-?\d+", text)]


def _features(layer: str, wanted: int, given: int, scene: Scene) -> str:
    """Explain a last axis of the wrong size: transposed, or built for another size."""
    for shape in scene.shapes:
        if shape and shape[-1] == given and wanted in shape[1:-1]:
            axis = shape.index(wanted, 1)
            return (
                f"{layer} wants {wanted} on the last axis; axis {axis} has that size: transpose({axis}, -1) is missing"
            )
    ratio = ""
    if given and wanted and max(given, wanted) % min(given, wanted) == 0:
        ratio = f" ({max(given, wanted) // min(given, wanted)} times apart: an axis was flattened, or was not)"
    return f"{layer} wants {wanted} on the last axis, its input has {given}{ratio}: match them"


def _matmul(match: re.Match[str], scene: Scene) -> str:
    rows, given, wanted, columns = _numbers(match[0])[-4:]
    if isinstance(scene.layer, nn.Linear):
        return _features(f"Linear(in_features={wanted})", wanted, given, scene)
    transposed = "; one operand looks transposed" if given == columns or rows == wanted else ""
    return f"a @ b needs the last axis of a ({given}) to equal the second-last of b ({wanted}){transposed}"


def _batched_matmul(match: re.Match[str], scene: Scene) -> str:
    del scene
    inner, given = _numbers(match[1])[1], _numbers(match[2])[1]
    return (
        f"a @ b needs the last axis of a ({inner}) to equal the second-last of b ({given}); "
        "for attention scores write query @ key.transpose(-2, -1)"
    )


def _recurrent(match: re.Match[str], scene: Scene) -> str:
    return _features("the recurrent layer (input_size)", int(match[1]), int(match[2]), scene)


def _embedding_dimension(match: re.Match[str], scene: Scene) -> str:
    return _features("the attention layer (embed_dim)", int(match[1]), int(match[2]), scene)


def _normalized(match: re.Match[str], scene: Scene) -> str:
    wanted, given = _numbers(match[1]), _numbers(match[2])
    if len(wanted) == 1:
        return _features(f"LayerNorm({wanted[0]})", wanted[0], given[-1], scene)
    return f"LayerNorm was built for the last axes {wanted}, its input has {given[-len(wanted) :]}"


def _reshape(match: re.Match[str], scene: Scene) -> str:
    wanted, count = _numbers(match[1]), int(match[2])
    sizes = {size for shape in scene.shapes for size in shape}
    fixes: list[tuple[bool, str]] = []
    for axis, size in enumerate(wanted):
        rest = math.prod(other for place, other in enumerate(wanted) if place != axis and other != -1)
        if size != -1 and -1 not in wanted and rest and count % rest == 0:
            fits = count // rest
            fixes.append((fits not in sizes, f"axis {axis} would have to be {fits} (is {size})"))
    known = " or ".join(text for _, text in sorted(fixes)[:2])
    needs = "a multiple of" if -1 in wanted else "exactly"
    text = f"{wanted} needs {needs} {math.prod(abs(size) for size in wanted)} elements, there are {count}"
    advice = known or "recompute the factors from the shape of the source; keep the batch with x.shape[0]"
    return f"{text}; {advice}"


def _conv_channels(match: re.Match[str], scene: Scene) -> str:
    del scene
    shape, wanted, given = _numbers(match[1]), int(match[2]), match[3]
    text = f"the convolution wants {wanted} channels on axis 1 and got {given}"
    if wanted in shape[2:]:
        axis = shape.index(wanted, 2)
        return f"{text}; axis {axis} has size {wanted}: permute channels from axis {axis} to axis 1"
    return f"{text}: set in_channels={given}, or change what feeds it"


def _broadcast(match: re.Match[str], scene: Scene) -> str:
    del scene
    first, second, axis = (int(number) for number in match.groups())
    text = f"axis {axis}: {first} against {second}"
    if abs(first - second) == 1:
        return f"{text}, off by one: does a class token lack a position, or are n + 1 needed?"
    if first and second and max(first, second) % min(first, second) == 0:
        times = max(first, second) // min(first, second)
        return f"{text}, {times} times apart: is a stride, a patch size or the number of heads left out?"
    return f"{text}: one of them is built for another size, or needs unsqueeze or transpose"


def _embedding_range(match: re.Match[str], scene: Scene) -> str:
    del match
    rows = scene.layer.num_embeddings if isinstance(scene.layer, nn.Embedding) else "?"
    index = scene.tensors.get("input")
    top = f" up to {int(index.max())}" if index is not None and index.numel() else ""
    return (
        f"ids{top} meet an embedding with num_embeddings={rows}: ids must be below it; enlarge it, or correct `high` "
        "of the declared input or the positions"
    )


def _batchnorm(match: re.Match[str], scene: Scene) -> str:
    del scene
    return f"BatchNorm was built for {match[2]} channels, axis 1 of its input has {match[1]}: match them, or permute"


def _attribute(match: re.Match[str], scene: Scene) -> str:
    name = match[2]
    owner = next((v for v in (scene.layer, *scene.operands.values()) if type(v).__name__ == match[1]), None)
    # The tables are read as they are: `dir` and `getattr` would run code of the candidate.
    known = {*dir(nn), *dir(functional)} if match[1] == "module" else set(dir(torch.Tensor))
    if isinstance(owner, nn.Module):
        known = {*vars(owner), *owner._modules, *owner._parameters, *owner._buffers}
    close = difflib.get_close_matches(name, sorted(known), 3, 0.7)
    return f"close names: {', '.join(close)}" if close else f"define {name!r} in __init__ before it is used"


_DTYPE = "integer and float tensors, or float32 and float64, meet: cast the input first, for example x = x.float()"
_DIVIDE = "{0} and {1} do not fit: choose a multiple"

_RULES: tuple[tuple[str, str | Callable[[re.Match[str], Scene], str]], ...] = (
    (r"mat1 and mat2 shapes cannot be multiplied \(\d+x\d+ and \d+x\d+\)", _matmul),
    (r"batch2 tensor to be: \[(.*?)\] but got: \[(.*?)\]", _batched_matmul),
    (r"must be equal to input_size\. Expected (\d+), got (\d+)", _recurrent),
    (r"was expecting embedding dimension of (\d+), but got (\d+)", _embedding_dimension),
    (r"normalized_shape=\[(.*?)\].*input of size\s*\[(.*?)\]", _normalized),
    (r"shape '\[([^\]]*)\]' is invalid for input of size (\d+)", _reshape),
    (
        r"view size is not compatible",
        "view needs neighbouring memory: use .reshape(...), and check that the merged axes stand in the meant order",
    ),
    (
        r"except in dimension (\d+)\. Expected size (\d+) but got size (\d+) for tensor number (\d+)",
        "cat joins along axis {0}; on another axis tensor {3} has {2} and the first {1}: wrong dim=, or resize one",
    ),
    (
        r"same number of dimensions: got (\d+) and (\d+)",
        "cat got {0} and {1} axes: unsqueeze or expand the smaller one",
    ),
    (r"stack expects each tensor to be equal size", "stack needs equal shapes; cat joins along an axis that differs"),
    (r"expected input\[([^\]]*)\] to have (\d+) channels, but got (\d+) channels", _conv_channels),
    (
        r"input to (conv\d)d, but got input of size: \[([\d, ]+)\]",
        "{0}d wants (batch, channels, space…) and got axes of sizes {1}: reshape or permute first",
    ),
    (
        r"Kernel size can't be greater than|[Oo]utput size is too small|Invalid computed output size",
        "nothing is left of the space: fewer strides or poolings, a smaller kernel, or padding",
    ),
    (
        r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\) at non-singleton dimension (\d+)",
        _broadcast,
    ),
    (
        r"expanded size of the tensor \((\d+)\) must match the existing size \((\d+)\) at non-.* dimension (\d+)",
        _broadcast,
    ),
    (r"to have the same dtype|must have the same dtype|type \(.*\) should be the same|expected scalar type", _DTYPE),
    (
        r"scalar types: Long, Int; but got",
        "an embedding takes int64 ids: declare this input as int64, or give a float input to a Linear layer instead",
    ),
    (r"index out of range in self", _embedding_range),
    (r"not implemented for 'Long'|must be either a floating point", "the tensor holds integers: x.float() first"),
    (r"running_mean should contain (\d+) elements not (\d+)", _batchnorm),
    (
        r"expected (.*D) input \(got (\d)D input\)",
        "the layer wants {0} input and gets {1} axes: another layer, or reshape",
    ),
    (
        r"Expected more than 1 value per channel",
        "BatchNorm in training mode saw one value a channel: use LayerNorm or GroupNorm after a pooling to 1x1",
    ),
    (
        r"number of channels in input, but got weight of shape \[(\d+)\]",
        "the norm was built for {0} channels: match axis 1",
    ),
    (
        r"divisible by num_groups, but got input of shape \[\d+, (\d+)",
        "the norm gets {0} channels on axis 1: match them",
    ),
    (r"embed_dim must be divisible by num_heads", "choose a width that is a multiple of the number of heads"),
    (r"num_channels \((\d+)\) must be divisible by num_groups \((\d+)\)", _DIVIDE),
    (
        r"expected to be in range of \[(-?\d+), (-?\d+)\], but got (-?\d+)",
        "the tensor has no axis {2}; the last one is {1}",
    ),
    (
        r"not enough values to unpack|too many values to unpack",
        "the number of axes is not what the line expects: print x.shape, or check the shape of the declared input",
    ),
    (
        r"subscript (\w) has size (\d+).*seen size (\d+)",
        "in the equation {0} stands for {1} and for {2}: rename or transpose",
    ),
    (
        r"modified by an inplace operation",
        "an in-place operation (+=, relu_, x[...] = …) destroys what backward needs: write it out of place",
    ),
    (r"before Module.__init__\(\) call", "call super().__init__() first in __init__"),
    (
        r"must be Tensor, not tuple|'tuple' object has no attribute",
        "recurrent and attention layers return (output, state): take the first, for example output, _ = self.lstm(x)",
    ),
    (r"'?(\w+)'? (?:object |.*)?has no attribute '(\w+)'", _attribute),
    (
        r"is missing the required \"forward\"",
        "define forward(self, …) in this class, with exactly that name and indentation",
    ),
    (
        r"forward\(\) (?:takes .* positional arguments? but|missing)",
        "forward and the declared inputs differ in number: forward(self, a, b) needs two inputs, in this order",
    ),
    (
        r"Expected hidden\[?0?\]? size",
        "the state is (layers, batch, hidden); with batch_first=True only the input starts with batch",
    ),
    (
        r"No module named '([\w.]+)'",
        "{0} is neither installed nor a file found from the workspace's root; write 'from folder.module import …'",
    ),
    (
        r"No such file or directory",
        "only source files are here, and no data: take sizes as constructor arguments, read files in training",
    ),
    (
        r"Torch not compiled with CUDA|Found no NVIDIA driver|on the same device|on the expected device",
        "no .cuda() and no fixed device in the network: create tensors with device=x.device, or register_buffer",
    ),
    (r"only supports boolean masks", "give masked_fill a boolean mask: mask == 0, or mask.bool()"),
    (
        r"index (-?\d+) is out of bounds for dimension (\d+) with size (\d+)",
        "axis {1} has {2} entries, from 0 to {2} - 1",
    ),
    (
        r"does not require grad",
        "the output is cut off from the parameters: remove no_grad, detach, .data, .item, argmax or numpy from forward",
    ),
)
