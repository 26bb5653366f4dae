"""Hints for losses, autograd, dtypes, devices, saved weights and wrong calls."""

from __future__ import annotations

import difflib
import re
import sys
from types import FunctionType

import torch
from probes.describing import kind, weights_of
from probes.scene import Rule, Scene, times
from torch import nn
from torch.nn import functional


def _dtypes(match: re.Match[str], scene: Scene) -> str:
    """Name who has which type: the layer's weights and its input, or the operands."""
    types = {name: tensor.dtype for name, tensor in scene.named.items()}
    if len(set(types.values())) > 1:
        told = ", ".join(f"{name} is {kind(dtype)}" for name, dtype in types.items())
        whole = [name for name, dtype in types.items() if not dtype.is_floating_point] or [*types]
        return f"{told}: cast one, for example {whole[0]}.float()"
    weights = weights_of(scene.layer) if scene.layer is not None else None
    given = next(iter(scene.tensors.values()), None)
    if weights is not None and given is not None and weights.dtype != given.dtype:
        ours, theirs = kind(given.dtype), kind(weights.dtype)
        cast = "x.float()" if theirs == "float32" else f"x.to(torch.{theirs})"
        return f"the input is {ours}, the layer's weights are {theirs}: cast the input first, {cast}, or the network"
    return "integer and float tensors, or float32 and float64, meet: cast the input first, for example x = x.float()"


def _devices(match: re.Match[str], scene: Scene) -> str:
    found = {name: str(tensor.device) for name, tensor in scene.named.items()}
    for name, value in scene.operands.items():
        weights = weights_of(value) if isinstance(value, nn.Module) else None
        found |= {name: str(weights.device)} if weights is not None else {}
    told = ", ".join(f"{name} is on {device}" for name, device in found.items()) if len(set(found.values())) > 1 else ""
    advice = (
        "move every batch with .to(device); what a network makes itself needs device=x.device, or register_buffer, "
        "and no .cuda()"
    )
    return f"{told}: {advice}" if told else advice


def _batch_sizes(match: re.Match[str], scene: Scene) -> str:
    given, wanted = int(match[1]), int(match[2])
    ratio = f", {times(given, wanted)} times as many" if given > wanted and times(given, wanted) else ""
    return (
        f"{given} predictions meet {wanted} targets{ratio}: keep the batch axis first and flatten or pool the others "
        "away, not into it"
    )


def _target_size(match: re.Match[str], scene: Scene) -> str:
    return "classes stand on axis 1 of the logits, (batch, classes, …): transpose, or flatten the rest into the batch"


def _label(match: re.Match[str], scene: Scene) -> str:
    classes = _classes(scene)
    known = f"there are {classes} classes, so labels run from 0 to {classes - 1}" if classes else "labels run from 0 up"
    return f"label {match[1]} has no class: {known}; do they start at 1, or is the head too small?"


def _classes(scene: Scene) -> int | None:
    """Give the number of classes: of the logits, or of the last layer of a Sequential that the line calls."""
    called = [value for value in scene.operands.values() if isinstance(value, nn.Module)]
    is_loss = type(scene.layer).__name__.endswith("Loss")
    given = scene.tensors if is_loss else {} if called else scene.named
    logits = [tensor for tensor in given.values() if tensor.is_floating_point() and tensor.dim() > 1]
    if logits:
        return logits[0].shape[1]
    heads = [last for network in called if type(network) is nn.Sequential for last in [*network._modules.values()][-1:]]
    return heads[0].out_features if heads and type(heads[0]) is nn.Linear else None


def _sizes(match: re.Match[str], scene: Scene) -> str:
    target, given = (tuple(int(n) for n in re.findall(r"\d+", text)) for text in match.groups())
    if given[:-1] == target and given[-1:] == (1,):
        return f"the prediction is {given}, the target {target}: squeeze(-1) the prediction, or unsqueeze the target"
    if target[:-1] == given and target[-1:] == (1,):
        return f"the prediction is {given}, the target {target}: squeeze(-1) the target"
    return f"the prediction is {given}, the target {target}: they must have one shape"


def _attribute(match: re.Match[str], scene: Scene) -> str:
    name = match[2]
    if match[1] == "NoneType":
        return "a function gave nothing: does a forward lack its return?"
    if match[1] in {"list", "tuple", "dict"}:
        return f"this is a {match[1]} and no tensor: torch.stack(...) its parts, or take the one that is meant"
    owner = next((v for v in (scene.layer, *scene.operands.values()) if type(v).__name__ == match[1]), None)
    # The tables are read as they are: `dir` and `getattr` would run code of the candidate.
    known = set(dir(torch.Tensor))
    if library := re.search(r"module '([\w.]+)' has no attribute", match.string):
        known = {*vars(sys.modules.get(library[1], nn)), *dir(nn), *dir(functional)}
        close = difflib.get_close_matches(name, sorted(known), 3, 0.7)
        return f"close names: {', '.join(close)}" if close else f"{library[1]} has no such name in this version"
    if isinstance(owner, nn.Module):
        known = {*vars(owner), *owner._modules, *owner._parameters, *owner._buffers}
    close = difflib.get_close_matches(name, sorted(known), 3, 0.7)
    return f"close names: {', '.join(close)}" if close else f"define {name!r} in __init__ before it is used"


def _signature(owner: str, method: str, scene: Scene) -> list[str]:
    """Give the parameters of a method of a class in sight, read from its code."""
    kinds = [type(module) for module in scene.modules()] + [v for v in vars(nn).values() if isinstance(v, type)]
    for kind_ in kinds:
        function = vars(kind_).get(method)
        if kind_.__name__ == owner and isinstance(function, FunctionType):
            code = function.__code__
            return list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    return []


def _call(match: re.Match[str], scene: Scene) -> str:
    owner, method = match[1], match[2]
    names = _signature(owner, method, scene)
    known = f"it is {method}({', '.join(names)})" if names else f"look at the signature of {method}"
    return f"the call of {owner} and its definition differ in number: {known}; give every argument, in this order"


def _keyword(match: re.Match[str], scene: Scene) -> str:
    names = [name for name in _signature(match[1], match[2], scene) if name != "self"]
    close = difflib.get_close_matches(match[3], names, 3, 0.6)
    told = f"close names: {', '.join(close)}" if close else f"it takes {', '.join(names)}"
    return told if names else ""


def _weights(match: re.Match[str], scene: Scene) -> str:
    message = match.string
    missing, unexpected = (re.findall(r'"([^"]+)"', part) for part in _keys(message))
    prefix = next((k.removesuffix(m) for k in unexpected for m in missing if k.endswith(f".{m}")), "")
    if prefix:
        return (
            f"the saved keys carry the prefix {prefix!r}: save network.{prefix}state_dict(), or strip it from the keys"
        )
    if sized := re.search(
        r"size mismatch for (\S+): copying a param with shape torch\.Size\((.*?)\) .*? torch\.Size\((.*?)\)", message
    ):
        return f"{sized[1]} is {sized[2]} in the file and {sized[3]} in the network: build it with the saved sizes"
    return f"the saved weights are of another {match[1]}: build it with the arguments of the one that was saved"


def _keys(message: str) -> tuple[str, str]:
    missing = re.search(r"Missing key\(s\) in state_dict: (.*?)(?:Unexpected|size mismatch|$)", message)
    unexpected = re.search(r"Unexpected key\(s\) in state_dict: (.*?)(?:size mismatch|$)", message)
    return missing[1] if missing else "", unexpected[1] if unexpected else ""


RULES: tuple[Rule, ...] = (
    (
        r"to have the same dtype|must have the same dtype|type \(.*\) should be the same|expected scalar type"
        r"|same dtype, but got",
        _dtypes,
    ),
    (
        r"expected target dtype to be Long|expected scalar type Long but found",
        "cross_entropy wants class numbers as int64: labels.long()",
    ),
    (
        r"result type Float can't be cast to the desired output type Long",
        "the target (or the tensor written to) holds integers where floats are needed: targets.float()",
    ),
    (
        r"all elements of (?:input|target) should be between 0 and 1",
        "binary_cross_entropy wants probabilities: apply sigmoid, or better use binary_cross_entropy_with_logits",
    ),
    (r"not implemented for 'Long'|must be either a floating point", "the tensor holds integers: x.float() first"),
    (r"not implemented for '(Half|BFloat16)'", "this operation has no {0} here: compute it in float32"),
    (
        r"modified by an inplace operation",
        "an in-place operation (+=, relu_, x[...] = …) destroys what backward needs: write it out of place",
    ),
    (r"Expected input batch_size \((\d+)\) to match target batch_size \((\d+)\)", _batch_sizes),
    (r"Target (-?\d+) is out of bounds", _label),
    (
        r"0D or 1D target tensor expected, multi-target not supported",
        "cross_entropy wants class numbers of shape (batch,): squeeze the target, or give one-hot targets as float",
    ),
    (r"only batches of spatial targets supported|Expected target size \[([^\]]*)\], got \[([^\]]*)\]", _target_size),
    (
        r"[Tt]arget size \((?:torch\.Size\()?([^)]*)\)+ must be the same as input size \((?:torch\.Size\()?([^)]*)\)",
        _sizes,
    ),
    (
        r"Using a target size .* that is different to the input size",
        "prediction and target differ in shape: squeeze or unsqueeze one; broadcasting would compare all with all",
    ),
    (
        r"Trying to backward through the graph a second time",
        "a loss was used twice or a state kept from the last step: detach the state, or add losses before one backward",
    ),
    (r"grad can be implicitly created only for scalar outputs", "backward needs one number: loss.mean() first"),
    (
        r"a leaf Variable that requires grad is being used in an in-place operation",
        "a parameter is changed in place: do it under torch.no_grad(), outside the forward pass",
    ),
    (r"Error\(s\) in loading state_dict for (\w+)", _weights),
    (r"before Module.__init__\(\) call", "call super().__init__() first in __init__"),
    (
        r"must be Tensor, not tuple|'tuple' object has no attribute",
        "recurrent and attention layers return (output, state): take the first, for example output, _ = self.lstm(x)",
    ),
    (r"'?(\w+)'? (?:object |.*)?has no attribute '(\w+)'", _attribute),
    (
        r"Module \[Module(?:List|Dict)\] is missing the required \"forward\"",
        "a ModuleList only keeps layers: loop over it, or make it nn.Sequential(...)",
    ),
    (
        r"is missing the required \"forward\"",
        "define forward(self, …) in this class, with exactly that name and indentation",
    ),
    (r"(\w+)\.(forward|__init__)\(\) (?:takes .* positional arguments? but|missing)", _call),
    (r"(\w+)\.(forward|__init__)\(\) got an unexpected keyword argument '(\w+)'", _keyword),
    (
        r"optimizer got an empty parameter list",
        "parameters() is empty: layers in a plain list or dict are not registered; use nn.ModuleList or nn.ModuleDict",
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
        r"Torch not compiled with CUDA|Found no NVIDIA driver|on the same device|on the expected device"
        r"|same device, but found|Cannot copy out of meta tensor",
        _devices,
    ),
    (
        r"Boolean value of Tensor with more than one",
        "a condition needs one truth: (x > 0).any(), .all(), or torch.where",
    ),
    (r"Weights only load failed", "the file holds more than tensors: save network.state_dict() and load that"),
    (r"Class values must be smaller than num_classes", "a label is not below num_classes: do they start at 1?"),
    (r"only supports boolean masks", "give masked_fill a boolean mask: mask == 0, or mask.bool()"),
    (
        r"does not require grad",
        "the output is cut off from the parameters: remove no_grad, detach, .data, .item, argmax or numpy from forward",
    ),
    (
        r"out of memory|can't allocate memory",
        "a smaller batch, gradient accumulation, or autocast; keep no graph: .item()",
    ),
)
