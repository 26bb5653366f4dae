"""Hints for layers whose input has another size than they were built for."""

from __future__ import annotations

import re

from probes.scene import Rule, Scene, numbers, times
from torch import nn


def features(layer: str, wanted: int, given: int, scene: Scene) -> str:
    """Explain a last axis of the wrong size: transposed, or built for another size."""
    for shape in scene.shapes:
        if shape and shape[-1] == given and wanted in shape[1:-1]:
            axis = shape.index(wanted, 1)
            return (
                f"{layer} wants {wanted} on the last axis; axis {axis} has that size: transpose({axis}, -1) is missing"
            )
    ratio = times(wanted, given)
    told = f" ({ratio} times apart: an axis was flattened, or was not)" if ratio else ""
    return f"{layer} wants {wanted} on the last axis, its input has {given}{told}: match them"


def _matmul(match: re.Match[str], scene: Scene) -> str:
    rows, given, wanted, columns = numbers(match[0])[-4:]
    if isinstance(scene.layer, nn.Linear):
        return features(f"Linear(in_features={wanted})", wanted, given, scene)
    transposed = "; one operand looks transposed" if given == columns or rows == wanted else ""
    return f"a @ b needs the last axis of a ({given}) to equal the second-last of b ({wanted}){transposed}"


def _batched_matmul(match: re.Match[str], scene: Scene) -> str:
    del scene
    (batches, inner), (others, given) = numbers(match[1]), numbers(match[2])
    if inner == given:
        return f"bmm meets batches of {batches} and {others}: heads or samples were merged into one of them only"
    return (
        f"a @ b needs the last axis of a ({inner}) to equal the second-last of b ({given}); "
        "for attention scores write query @ key.transpose(-2, -1)"
    )


def _batched_rank(match: re.Match[str], scene: Scene) -> str:
    ranks = ", ".join(f"{name} has {tensor.dim()}" for name, tensor in scene.named.items() if tensor.dim() != 3)
    return f"bmm wants 3 axes (batch, rows, columns){f'; {ranks}' if ranks else ''}: unsqueeze(0), or use @"


def _recurrent(match: re.Match[str], scene: Scene) -> str:
    return features("the recurrent layer (input_size)", int(match[1]), int(match[2]), scene)


def _embedding_dimension(match: re.Match[str], scene: Scene) -> str:
    return features("the attention layer (embed_dim)", int(match[1]), int(match[2]), scene)


def _normalized(match: re.Match[str], scene: Scene) -> str:
    wanted, given = numbers(match[1]), numbers(match[2])
    if len(wanted) == 1:
        return features(f"LayerNorm({wanted[0]})", wanted[0], given[-1], scene)
    return f"LayerNorm was built for the last axes {wanted}, its input has {given[-len(wanted) :]}"


def _conv_channels(match: re.Match[str], scene: Scene) -> str:
    del scene
    shape, wanted, given = numbers(match[1]), int(match[2]), match[3]
    text = f"the convolution wants {wanted} channels on axis 1 and got {given}"
    if wanted in shape[2:]:
        axis = shape.index(wanted, 2)
        return f"{text}; axis {axis} has size {wanted}: permute channels from axis {axis} to axis 1"
    return f"{text}: set in_channels={given}, or change what feeds it"


def _embedding_range(match: re.Match[str], scene: Scene) -> str:
    del match
    if not isinstance(scene.layer, nn.Embedding) and not any("weight" in name for name in scene.tensors):
        return "an index is not below the size of the axis that it selects from, or is negative"
    rows = scene.layer.num_embeddings if isinstance(scene.layer, nn.Embedding) else "?"
    index = scene.tensors.get("input")
    top = low = ""
    if index is not None and index.numel():
        top = f" up to {int(index.max())}"
        low = f" from {int(index.min())}" if int(index.min()) < 0 else ""
    return (
        f"ids{low}{top} meet an embedding with num_embeddings={rows}: ids must be below it and not negative; enlarge "
        "it, or correct `high` of the declared input or the positions"
    )


def _batchnorm(match: re.Match[str], scene: Scene) -> str:
    del scene
    return f"BatchNorm was built for {match[2]} channels, axis 1 of its input has {match[1]}: match them, or permute"


def _state(match: re.Match[str], scene: Scene) -> str:
    wanted, given = numbers(match[1]), numbers(match[2])
    text = f"the state must be (layers, batch, hidden) = {tuple(wanted)}, it is {tuple(given)}"
    if sorted(wanted) == sorted(given):
        return f"{text}: transpose(0, 1); batch_first=True concerns the input only"
    return f"{text}; layers count twice in a bidirectional network"


def _padding(match: re.Match[str], scene: Scene) -> str:
    wanted, given = int(match[1]), int(match[2])
    for tensor in scene.named.values():
        if tensor.dim() == 3 and tensor.shape[0] == given and tensor.shape[1] == wanted:
            return "the input is (batch, time, width) and the layer reads (time, batch, width): give batch_first=True"
    return f"the padding mask is (batch, time): it has {given} rows, the batch has {wanted}"


def _attention_mask(match: re.Match[str], scene: Scene) -> str:
    return (
        f"an attn_mask of 3 axes has a row for each head of each sample, {match[2]}: repeat_interleave(heads, 0), or "
        "give padding as key_padding_mask (batch, time)"
    )


RULES: tuple[Rule, ...] = (
    (r"mat1 and mat2 shapes cannot be multiplied \(\d+x\d+ and \d+x\d+\)", _matmul),
    (r"same reduction dim, but got \[\d+, \d+\] X \[\d+, \d+\]", _matmul),
    (r"size mismatch, got input \(\d+\), mat \(\d+x\d+\), vec \(\d+\)", _matmul),
    (r"batch2 tensor to be: \[(.*?)\] but got: \[(.*?)\]", _batched_matmul),
    (r"batch[12] must be a 3D tensor", _batched_rank),
    (r"must be equal to input_size\. Expected (\d+), got (\d+)", _recurrent),
    (
        r"input has inconsistent input_size: got (\d+),? expected (\d+)",
        "the cell wants {1} features, its input has {0}",
    ),
    (r"was expecting embedding dimension of (\d+), but got (\d+)", _embedding_dimension),
    (r"normalized_shape=\[(.*?)\].*input of size\s*\[(.*?)\]", _normalized),
    (r"expected input\[([^\]]*)\] to have (\d+) channels, but got (\d+) channels", _conv_channels),
    (
        r"input to (conv\w*\d)d, but got input of size: \[([\d, ]+)\]",
        "{0}d wants (batch, channels, space…) and got axes of sizes {1}: reshape or permute first",
    ),
    (
        r"Kernel size can't be greater than|[Oo]utput size is too small|Invalid computed output size",
        "nothing is left of the space: fewer strides or poolings, a smaller kernel, or padding",
    ),
    (
        r"scalar types: Long, Int; but got",
        "an embedding takes int64 ids: declare this input as int64, or give a float input to a Linear layer instead",
    ),
    (r"index out of range in self", _embedding_range),
    (r"running_mean should contain (\d+) elements not (\d+)", _batchnorm),
    (
        r"expected (.*D) input \(got (\d)D input\)",
        "the layer wants {0} input and gets {1} axes: another layer, or reshape",
    ),
    (
        r"Expected more than 1 value per channel",
        "BatchNorm in training mode saw one value a channel: use LayerNorm or GroupNorm after a pooling to 1x1, or "
        "drop_last=True where the last batch holds one sample",
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
    (r"num_channels \((\d+)\) must be divisible by num_groups \((\d+)\)", "{0} and {1} do not fit: choose a multiple"),
    (r"([io]\w+_channels) must be divisible by groups", "make {0} a multiple of groups, or set groups=1"),
    (r"Expected hidden\[?\d?\]? size \(([^)]*)\), got [\[(]([^\])]*)[\])]", _state),
    (r"Expected key_padded_mask\.shape\[0\] to be (\d+), but got (\d+)", _padding),
    (
        r"Expected key_padded_mask\.shape\[1\] to be (\d+), but got (\d+)",
        "the padding mask is (batch, time): it has {1} positions, the keys have {0}",
    ),
    (r"shape of the 3D attn_mask is torch\.Size\(\[(.*?)\]\), but should be (\(.*?\))", _attention_mask),
    (
        r"shape of the 2D attn_mask is torch\.Size\(\[(.*?)\]\), but should be (\(.*?\))",
        "attn_mask is (queries, keys) = {1}; padding (batch, time) goes to key_padding_mask",
    ),
    (
        r"For unbatched \(2-D\) `query`|query should be unbatched 2D or batched 3D",
        "attention wants (batch, time, width): unsqueeze(0) a single sequence, flatten further axes into the batch",
    ),
)
