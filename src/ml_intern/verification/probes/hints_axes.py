"""Hints for axes that do not fit: views, joins, broadcasting, equations, indices."""

from __future__ import annotations

import itertools
import math
import re

import torch
from probes.scene import Rule, Scene, numbers, times


def _reshape(match: re.Match[str], scene: Scene) -> str:
    wanted, count = numbers(match[1]), int(match[2])
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
    advice = known or _per_sample(count, scene)
    return f"{text}; {advice}"


def _per_sample(count: int, scene: Scene) -> str:
    """Say how many elements one sample has, where a tensor in sight has as many as were to be reshaped."""
    shape = next((shape for shape in scene.shapes if len(shape) > 1 and math.prod(shape) == count), None)
    if shape is None:
        return "recompute the factors from the shape of the source; keep the batch with x.shape[0]"
    return f"one sample of {list(shape)} has {count // shape[0]}: use flatten(1), or compute the factors from x.shape"


def _broadcast(match: re.Match[str], scene: Scene) -> str:
    first, second, axis = (int(number) for number in match.groups())
    text = f"axis {axis}: {first} against {second}"
    if told := _aligned(scene):
        return f"{text}; {told}"
    if axis == 0 and first > 1 and second > 1 and not scene.layer:
        return f"{text}: the first axis, often the batch; two things of different batches, or in another order, meet"
    if abs(first - second) == 1:
        return f"{text}, off by one: does a class token lack a position, or are n + 1 needed?"
    if ratio := times(first, second):
        return f"{text}, {ratio} times apart: is a stride, a patch size or the number of heads left out?"
    return f"{text}: one of them is built for another size, or needs unsqueeze or transpose"


def _aligned(scene: Scene) -> str:
    """Where one operand has fewer axes and would fit with axes of size 1 in between, say so."""
    shapes = {name: tuple(tensor.shape) for name, tensor in scene.named.items() if tensor.dim() > 1}
    most = max(shapes.values(), key=len, default=())
    for name, shape in shapes.items():
        for places in itertools.combinations(range(len(most)), len(shape)) if len(shape) < len(most) else ():
            if all(most[place] in {size, 1} or size == 1 for place, size in zip(places, shape, strict=True)):
                made = [shape[places.index(axis)] if axis in places else 1 for axis in range(len(most))]
                return f"{name} has {len(shape)} axes, set against the last of {len(most)}: it would fit as {made}"
    return ""


def _cat(match: re.Match[str], scene: Scene) -> str:
    axis, wanted, given, number = (int(text) for text in match.groups())
    shapes = [tuple(tensor.shape) for tensor in scene.named.values()]
    pairs = [(a, b) for a in shapes for b in shapes if a != b and len(a) == len(b)]
    other = [n for a, b in pairs[:1] for n in range(len(a)) if a[n] != b[n] and n != axis]
    place = f"axis {', '.join(map(str, other))}" if other else "another axis"
    sizes = f"tensor {number} has {given} and the first {wanted}"
    return f"cat joins along axis {axis}; on {place} {sizes}: wrong dim=, or resize one"


def _equation(match: re.Match[str], scene: Scene) -> str:
    letter, given, seen = match.groups()
    return f"in the equation {letter} stands for {given} and for {seen}: rename or transpose"


def _subscripts(match: re.Match[str], scene: Scene) -> str:
    named, axes, operand = (int(text) for text in match.groups())
    name = [*scene.named][operand] if operand < len(scene.named) else f"operand {operand}"
    counts = f"the equation names {named} axes for {name}, which has {axes}"
    return f"{counts}: did a mean, an index or a squeeze take one away?"


def _divide(match: re.Match[str], scene: Scene) -> str:
    size, part = match.groups()
    return (
        f"an axis of {size} cannot be cut into parts of {part}: {int(size) % int(part)} are left over; choose a divisor"
    )


def _gather(match: re.Match[str], scene: Scene) -> str:
    ranks = ", ".join(f"{name} {tensor.dim()}" for name, tensor in scene.named.items())
    return f"index and values need the same number of axes ({ranks}): gather(1, index.unsqueeze(1)).squeeze(1)"


def _no_larger(match: re.Match[str], scene: Scene) -> str:
    index, values, axis, source = numbers(match[1]), numbers(match[2]), int(match[3]), numbers(match[4] or "")
    for place, size in enumerate(index):
        if place < len(source) and size > source[place]:
            return f"on axis {place} the index has {size} and the values that it moves {source[place]}: match them"
        if place != axis and place < len(values) and size > values[place]:
            return f"on axis {place} the index has {size} and the tensor {values[place]}: match them"
    return ""


def _masked(match: re.Match[str], scene: Scene) -> str:
    mask, tensor, axis = numbers(match[1]), numbers(match[2]), int(match[3])
    size = f"{mask[axis]} against {tensor[axis]}" if axis < min(len(mask), len(tensor)) else "too many axes"
    return f"axis {axis} of the mask: {size}; it must be made for the tensor that it indexes"


def _unpacked(match: re.Match[str], scene: Scene) -> str:
    if any(type(value).__name__ == "DataLoader" for value in scene.operands.values()):
        return "a batch of this loader has another number of parts than there are names: see what the data set returns"
    if not any(name.endswith("shape") or type(value) is torch.Size for name, value in scene.operands.items()):
        return "what is unpacked has another number of parts than there are names for them"
    return "the number of axes is not what the line expects: print x.shape, or check the shape of the declared input"


RULES: tuple[Rule, ...] = (
    (r"shape '\[([^\]]*)\]' is invalid for input of size (\d+)", _reshape),
    (
        r"view size is not compatible",
        "view needs neighbouring memory: use .reshape(...), and check that the merged axes stand in the meant order",
    ),
    (
        r"except in dimension (\d+)\. Expected size (\d+) but got size (\d+) for tensor number (\d+)",
        _cat,
    ),
    (
        r"same number of dimensions: got (\d+) and (\d+)",
        "cat got {0} and {1} axes: unsqueeze or expand the smaller one",
    ),
    (
        r"stack expects each tensor to be equal size, but got (\[.*?\]) at entry 0 and (\[.*?\]) at entry (\d+)",
        "stack needs equal shapes, entry {2} is {1} and the first {0}: pad them (for a loader in collate_fn), or use "
        "cat along the axis that differs",
    ),
    (
        r"Trying to resize storage that is not resizable",
        "the samples of a batch differ in shape: pad or cut them to one length, in the data set or in collate_fn",
    ),
    (
        r"each element in list of batch should be of equal size",
        "the samples of a batch differ in length: pad or cut them to one length, in the data set or in collate_fn",
    ),
    (
        r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\) at non-singleton dimension (\d+)",
        _broadcast,
    ),
    (
        r"expanded size of the tensor \((\d+)\) must match the existing size \((\d+)\) at non-.* dimension (\d+)",
        _broadcast,
    ),
    (
        r"shape mismatch: value tensor of shape (\[.*?\]) cannot be broadcast to indexing result of shape (\[.*?\])",
        "the assigned tensor is {0}, the place it goes to {1}: match them",
    ),
    (
        r"expected to be in range of \[(-?\d+), (-?\d+)\], but got (-?\d+)",
        "the tensor has no axis {2}; the last one is {1}",
    ),
    (r"not enough values to unpack|too many values to unpack", _unpacked),
    (r"subscript (\w) has size (\d+).*seen size (\d+)", _equation),
    (
        r"subscripts in the equation \((\d+)\) does not match the number of dimensions \((\d+)\) for operand (\d+)",
        _subscripts,
    ),
    (r"can't divide axis of length (\d+) in chunks of (\d+)", _divide),
    (
        r"expected (\d+) dims\. Received (\d+)-dim tensor",
        "the pattern names {0} axes, the tensor has {1}: name every axis, or use an ellipsis",
    ),
    (
        r"Length mismatch.*?(\d+) != (\d+)|Shape mismatch, (\d+) != (\d+)",
        "two uses of one name in the pattern have different sizes: rename one, or transpose",
    ),
    (
        r"Identifiers? (?:only )?on (?:only )?one side of expression.*?: (.*?)(?: |$)",
        "{0} stands on one side of the pattern only: rearrange keeps every axis, reduce and repeat may drop or add",
    ),
    (r"Index tensor must have the same number of dimensions as (?:input|self|src)", _gather),
    (
        r"Expected index \[(.*?)\] to be no larger than self \[(.*?)\] apart from dimension (\d+)"
        r"(?: and to be no larger size than src \[(.*?)\])?",
        _no_larger,
    ),
    (
        r"Size does not match at dimension (\d+) expected index (\[.*?\]) to be no larger than self (\[.*?\])",
        "on axis {0} the index {1} is larger than the tensor {2}: match them",
    ),
    (
        r"(?:scatter|gather)\w*\(\): Expected dtype int32/int64 for index",
        "the index must hold integers: index.long()",
    ),
    (r"tensors used as indices must be", "the index must hold integers or booleans: index.long(), or a mask"),
    (
        r"shape of the mask \[(.*?)\] at index \d+ does not match .*? indexed tensor \[(.*?)\] at index (\d+)",
        _masked,
    ),
    (
        r"index (-?\d+) is out of bounds for dimension (\d+) with size (\d+)",
        "axis {1} has {2} entries, numbered from 0: {0} is none of them; is a length one too long, a label from 1?",
    ),
    (r"selected index k out of range", "topk wants more than the axis has: k must not be above its size"),
    (
        r"split_sizes to sum exactly to (\d+) .*got split_sizes=(\[.*?\])",
        "the parts {1} must add up to {0}: is the projection as wide as its parts together?",
    ),
    (
        r"input\.dim\(\) = (\d+) is not equal to len\(dims\) = (\d+)",
        "permute names {1} axes of {0}: name every axis once, or use transpose(a, b) for two of them",
    ),
    (r"Specify sizes for new axes in repeat: (.*?)$", "give the size of {0} as an argument of repeat"),
    (r"too many indices for tensor of dimension (\d+)", "the tensor has {0} axes, the brackets name more"),
    (
        r"same size in the mapped dimension, got sizes (\[.*?\])",
        "vmap maps over axis 0 of every argument, here of sizes {0}: match them, or give in_dims=(0, None)",
    ),
    (
        r"list index out of range",
        "the list is shorter than the number that indexes it: is __len__ or a range too long?",
    ),
)
