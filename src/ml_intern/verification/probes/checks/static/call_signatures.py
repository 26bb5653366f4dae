"""Calls of torch, and of the program's own functions and classes, have the arguments that the signatures take.

The real signatures are asked, so this follows the version that is installed; what has none is left out. Names that
`torch.nn` and `torch.optim` do not have are found as well.

Source: `inspect.signature` of the installed library; pylint, messages E1120 to E1124.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import types
from collections.abc import Iterator

import torch
from probes.candidate import Candidate
from probes.checks.base import Outcome, check
from probes.syntax import Finding, Function, Source, judged

_CLOSED = ("torch.nn", "torch.nn.functional", "torch.nn.init", "torch.optim", "torch.optim.lr_scheduler")
"""Modules whose names are all there once they are imported."""
_KINDS = inspect.Parameter


@check(family="static", cost="free")
def call_signatures(candidate: Candidate) -> Outcome | None:
    """Bind the arguments of each call to the signature of what is called."""
    return judged(candidate, _find, "use the names and the number of arguments that the signature has")


def _find(source: Source) -> Iterator[Finding]:
    own = _own_signatures(source)
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or _is_tried(source, node):
            continue
        name = source.full(node.func)
        if name.startswith("torch."):
            signature, problem = _of_torch(name)
            if problem:
                yield node, problem
        else:
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            signature = own.get(name)
        if signature is not None and (problem := _misfit(node, signature)):
            yield node, f"{name}{_short(signature)} is called wrongly: {problem}"


def _of_torch(name: str) -> tuple[inspect.Signature | None, str]:
    module, _, last = name.rpartition(".")
    if module in _CLOSED:
        home = importlib.import_module(module)
        if not hasattr(home, last):
            return None, f"{module} of torch {torch.__version__} has no {last}"
        return _signature(getattr(home, last)), ""
    if module == "torch.utils.data":
        return _signature(getattr(torch.utils.data, last, None)), ""
    return None, ""


def _signature(thing: object) -> inspect.Signature | None:
    is_written = isinstance(thing, types.FunctionType) or (
        isinstance(thing, type) and isinstance(thing.__init__, types.FunctionType)
    )
    if not is_written:
        return None
    try:
        return inspect.signature(thing)
    except (TypeError, ValueError):
        return None


def _misfit(call: ast.Call, signature: inspect.Signature) -> str:
    """Say why the arguments do not fit, or nothing. Stars hide how many there are."""
    given = [pair.arg for pair in call.keywords if pair.arg]
    open_ended = any(isinstance(value, ast.Starred) for value in call.args) or len(given) < len(call.keywords)
    if open_ended:
        takes_any = any(p.kind is _KINDS.VAR_KEYWORD for p in signature.parameters.values())
        unknown = [name for name in given if name not in signature.parameters]
        return f"got an unexpected keyword argument '{unknown[0]}'" if unknown and not takes_any else ""
    try:
        signature.bind(*call.args, **dict.fromkeys(given))
    except TypeError as error:
        return str(error)
    return ""


def _own_signatures(source: Source) -> dict[str, inspect.Signature]:
    """Give the signatures of plain functions and classes of the top level that are defined once."""
    bound = [n.id for n in ast.walk(source.tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)]
    bound += [n.arg for n in ast.walk(source.tree) if isinstance(n, ast.arg)]
    bound += [n.name for n in ast.walk(source.tree) if isinstance(n, Function | ast.ClassDef)]
    bound += [a.asname or a.name for n in ast.walk(source.tree) if isinstance(n, ast.ImportFrom) for a in n.names]
    found = {}
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and bound.count(node.name) == 1 and not node.decorator_list:
            arguments = _constructor(source, node) if isinstance(node, ast.ClassDef) else node.args
            if arguments is not None:
                found[node.name] = _made(arguments, skip=isinstance(node, ast.ClassDef))
    return found


def _constructor(source: Source, node: ast.ClassDef) -> ast.arguments | None:
    """Give the arguments of `__init__`, where no metaclass and no `__new__` stand in between."""
    plain = all(source.full(b) in {"torch.nn.Module", "torch.utils.data.Dataset"} for b in node.bases)
    methods = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
    if not plain or node.keywords or "__new__" in methods or "__init__" not in methods:
        return None
    return None if methods["__init__"].decorator_list else methods["__init__"].args


def _made(arguments: ast.arguments, *, skip: bool) -> inspect.Signature:
    positional = [(a, _KINDS.POSITIONAL_ONLY) for a in arguments.posonlyargs]
    positional += [(a, _KINDS.POSITIONAL_OR_KEYWORD) for a in arguments.args]
    without = len(positional) - len(arguments.defaults)
    made = [
        _KINDS(a.arg, kind, default=_KINDS.empty if place < without else ...)
        for place, (a, kind) in enumerate(positional)
    ][1 if skip else 0 :]
    if arguments.vararg:
        made.append(_KINDS(arguments.vararg.arg, _KINDS.VAR_POSITIONAL))
    for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        made.append(_KINDS(a.arg, _KINDS.KEYWORD_ONLY, default=_KINDS.empty if default is None else ...))
    if arguments.kwarg:
        made.append(_KINDS(arguments.kwarg.arg, _KINDS.VAR_KEYWORD))
    return inspect.Signature(made)


def _short(signature: inspect.Signature) -> str:
    return f"({', '.join(signature.parameters)})"


def _is_tried(source: Source, node: ast.AST) -> bool:
    """Tell calls that the program expects to fail, or makes only where a version has them."""
    for here in source.around(node):
        if isinstance(here, ast.Try):
            return True
        if isinstance(here, ast.If | ast.IfExp) and any(w in ast.unparse(here.test) for w in ("hasattr", "version")):
            return True
    return False
