"""Layers and parameters are registered: no plain list or dictionary hides them from `parameters()`.

What is stored in `nn.Parameter(…) * 0.02` is no parameter either. A list with one element is left out: that is a known
way to hide a frozen teacher on purpose.

Source: PyTorch documentation of `nn.ModuleList` and of `nn.Parameter`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, judged, last_name

_REGISTERS = {"ModuleList", "ModuleDict", "ParameterList", "ParameterDict", "Sequential"}
_BY_NAME = {"add_module", "register_module", "register_parameter", "setattr"}


@check(family="static", cost="free")
def unregistered_layers(candidate: Candidate) -> Outcome | None:
    """Look at what the methods of every layer assign to `self`."""
    return judged(
        candidate, _find, "use nn.ModuleList, nn.ModuleDict or nn.ParameterList; make nn.Parameter the outermost call"
    )


def _find(source: Source) -> Iterator[Finding]:
    for name, node in source.layer_classes().items():
        called = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
        if any(last_name(call.func) in _BY_NAME for call in called):
            continue
        wrapped = " ".join(ast.unparse(call) for call in called if last_name(call.func) in _REGISTERS)
        for here in ast.walk(node):
            if isinstance(here, ast.Assign) and len(here.targets) == 1 and _is_own(here.targets[0]):
                attribute = ast.unparse(here.targets[0])
                if attribute not in wrapped and (how := _hides(source, here.value)):
                    yield here, f"{attribute} of {name} {how}: no optimizer will train it and no file will hold it"


def _is_own(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _hides(source: Source, value: ast.expr) -> str:
    match value:
        case ast.List(elts=items) | ast.Tuple(elts=items) if len(items) > 1 and all(map(source.makes_layer, items)):
            return "is a plain list of layers"
        case ast.ListComp(elt=item) if source.makes_layer(item):
            return "is a plain list of layers"
        case ast.Dict(values=items) if items and all(map(source.makes_layer, items)):
            return "is a plain dictionary of layers"
        case ast.DictComp(value=item) if source.makes_layer(item):
            return "is a plain dictionary of layers"
    return "is made from a parameter and is none itself" if _is_changed_parameter(source, value) else ""


def _is_changed_parameter(source: Source, value: ast.expr) -> bool:
    """Tell `nn.Parameter(…) * 0.02` and `nn.Parameter(…).to(device)`; methods that end in `_` give the parameter."""
    match value:
        case ast.BinOp(left=left, right=right):
            return any(_is_parameter(source, node) for node in (left, right))
        case ast.Call(func=ast.Attribute(value=inner, attr=method)):
            return not method.endswith("_") and _is_parameter(source, inner)
    return False


def _is_parameter(source: Source, node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and source.full(node.func) == "torch.nn.Parameter"
