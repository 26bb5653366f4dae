"""Every attribute that a layer reads of itself is set somewhere, also on paths that no check runs.

Only classes whose bases are all known are asked, and none that sets attributes by computed names.

Source: pylint, message E1101 (no-member), for the one case in which all members are in sight.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Source, constant, judged, last_name
from torch import nn

_NAMING = {"register_buffer", "register_parameter", "add_module", "register_module", "setattr", "hasattr", "getattr"}
_INHERITED = frozenset(dir(nn.Module()))


@check(family="static", cost="free")
def undefined_attributes(candidate: Candidate) -> Outcome | None:
    """Compare the attributes read of `self` with those set anywhere."""
    return judged(candidate, _find, "set it in __init__, or correct the spelling")


def _find(source: Source) -> Iterator[Finding]:
    layers = source.layer_classes()
    set_anywhere = {
        n.attr for n in ast.walk(source.tree) if isinstance(n, ast.Attribute) and not isinstance(n.ctx, ast.Load)
    }
    for node in layers.values():
        family = _family(source, node, layers)
        if family is None or any(_is_open(one) for one in family):
            continue
        known = _INHERITED | set_anywhere | {name for one in family for name in _names(one)}
        for read in ast.walk(node):
            if (
                isinstance(read, ast.Attribute)
                and isinstance(read.value, ast.Name)
                and read.value.id == "self"
                and read.attr not in known
                and not (read.attr.startswith("__"))
            ):
                yield read, f"{node.name} reads self.{read.attr}, which nothing sets"


def _family(source: Source, node: ast.ClassDef, layers: dict[str, ast.ClassDef]) -> list[ast.ClassDef] | None:
    """Give the class, its bases and its heirs; None where a base is out of sight."""
    found, pending = [], [node]
    while pending:
        here = pending.pop()
        found.append(here)
        for base in here.bases:
            if source.full(base) == "torch.nn.Module":
                continue
            if not isinstance(base, ast.Name) or base.id not in layers:
                return None
            pending.append(layers[base.id])
    names = {one.name for one in found}
    heirs = [one for one in layers.values() if any(last_name(base) in names for base in one.bases)]
    return found + heirs


def _is_open(node: ast.ClassDef) -> bool:
    """Tell whether attributes come by names that are not written down."""
    for here in ast.walk(node):
        if isinstance(here, ast.FunctionDef) and here.name in {"__getattr__", "__getattribute__"}:
            return True
        if isinstance(here, ast.Attribute) and here.attr == "__dict__":
            return True
        if isinstance(here, ast.Call) and last_name(here.func) in _NAMING | {"vars"} and _named(here) is None:
            return True
    return bool(node.decorator_list or node.keywords)


def _named(call: ast.Call) -> str | None:
    """Give the attribute that a call of `setattr`, `register_buffer` and such names."""
    place = 1 if last_name(call.func) in {"setattr", "hasattr", "getattr"} else 0
    keyword = next((pair.value for pair in call.keywords if pair.arg == "name"), None)
    given = constant(call.args[place] if len(call.args) > place else keyword)
    return given if isinstance(given, str) else None


def _names(node: ast.ClassDef) -> Iterator[str]:
    for here in node.body:
        if isinstance(here, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield here.name
    for here in ast.walk(node):
        if isinstance(here, ast.Name) and not isinstance(here.ctx, ast.Load):
            yield here.id
        elif isinstance(here, ast.Call) and last_name(here.func) in _NAMING:
            yield _named(here) or ""
