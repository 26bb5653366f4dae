"""Find documentation that Python code attaches to what is compiled: `add_docstr` of PyTorch, `add_newdoc` of NumPy."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tables import Native, called, dotted, literal

_MARKS = (b"add_docstr", b"add_newdoc(")
_TENSOR = "torch.Tensor"
"""What the function `add_docstr_all` of `torch/_tensor_docs.py` documents."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """Documentation of `name` in the module or class `place`."""

    place: str
    name: str
    native: Native


def attached(path: Path, site: Path) -> Iterator[Attached]:
    """Give what one file documents."""
    source = path.read_bytes()
    if not any(mark in source for mark in _MARKS):
        return
    tree, file = ast.parse(source), path.relative_to(site).as_posix()
    shared = _shared(tree)
    for statement in tree.body:
        if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
            continue
        for place, name, doc in _said(statement.value):
            filled = _PLACEHOLDER.sub(lambda match: shared.get(match[1], match[0]), doc)
            yield Attached(place=place, name=name, native=Native(doc=filled, line=statement.lineno, file=file))


def _said(call: ast.Call) -> Iterator[tuple[str, str, str]]:
    function, arguments = called(call), call.args
    if function.endswith("add_docstr") and len(arguments) > 1:
        place, _, name = (dotted(arguments[0]) or "").rpartition(".")
        yield place, name, literal(arguments[1]) or ""
    elif function == "add_docstr_all" and len(arguments) > 1:
        yield _TENSOR, literal(arguments[0]) or "", literal(arguments[1]) or ""
    elif function == "add_newdoc" and len(arguments) > 2:
        place, name = literal(arguments[0]) or "", literal(arguments[1]) or ""
        if (doc := literal(arguments[2])) is not None:
            yield place, name, doc
        for pair in _pairs(arguments[2]):
            yield f"{place}.{name}", literal(pair.elts[0]) or "", literal(pair.elts[1]) or ""


def _pairs(node: ast.expr) -> Iterator[ast.Tuple]:
    """Give the pairs of a method's name and its documentation."""
    if isinstance(node, ast.List):
        for item in node.elts:
            yield from _pairs(item)
    elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
        yield node


def _shared(tree: ast.Module) -> dict[str, str]:
    """Give the descriptions of arguments that `torch/_torch_docs.py` writes once, by the argument's name."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if called(node) == "parse_kwargs" and isinstance(node, ast.Call):
            for part in re.split(r"\n {4}(?! )", literal(node.args[0]) or ""):
                if words := part.split():
                    found.setdefault(words[0], part.strip())
    return found
