"""Find the in-place operation that autograd complains of, by reading the candidate's source."""

from __future__ import annotations

import ast
import linecache
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

_COMPLAINT = re.compile(r"modified by an inplace operation.*?(?:is output \d+ of (\w+?)(?:Backward\d*)?,|$)")
_SHOWN = 3


def suspects(message: str, is_own: Callable[[str], bool]) -> str:
    """Name the lines that change a tensor in place, those that change what the named operation made first."""
    found = _COMPLAINT.search(message)
    if found is None:
        return ""
    changes = [change for file in _files(is_own) for change in _changes(file, (found[1] or "").lower())]
    return "; ".join(text for _, text in sorted(changes, key=lambda change: not change[0])[:_SHOWN])


def _files(is_own: Callable[[str], bool]) -> Iterator[str]:
    """Give the source files of the candidate that were imported, the script among them."""
    seen = set()
    for module in list(sys.modules.values()):
        file = vars(module).get("__file__") if type(module) is type(sys) else None
        if isinstance(file, str) and file.endswith(".py") and file not in seen and is_own(file):
            seen.add(file)
            yield file
    yield from (name for name in list(linecache.cache) if name.startswith("<") and is_own(name))  # cells of a session


def _changes(file: str, operation: str) -> Iterator[tuple[bool, str]]:
    """Give (whether it changes what `operation` made, the place and the line)."""
    lines = linecache.getlines(file)
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        return
    known: set[int] = set()
    for scope in [*(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)), tree]:
        made = {name for node in ast.walk(scope) for name in _made_by(node, operation)}
        for node in ast.walk(scope):
            if (target := _target(node)) is not None and node.lineno not in known:
                known.add(node.lineno)
                text = f"{Path(file).name}:{node.lineno} {lines[node.lineno - 1].strip()}"
                likely = target in made
                yield likely, f"{text} (changes what {operation} made)" if likely else text


def _made_by(node: ast.AST, operation: str) -> list[str]:
    """Name what an assignment binds to a result of `operation`."""
    if not isinstance(node, ast.Assign) or not operation:
        return []
    called = [inner.func for inner in ast.walk(node.value) if isinstance(inner, ast.Call)]
    names = [part.attr if isinstance(part, ast.Attribute) else part.id for part in called if _is_named(part)]
    if not any(operation in name.lower().replace("_", "") for name in names):
        return []
    return [ast.unparse(target) for target in node.targets]


def _is_named(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute | ast.Name)


def _target(node: ast.AST) -> str | None:
    """Give what a statement or call changes in place; None where it changes nothing."""
    match node:
        case ast.AugAssign(target=target):
            return ast.unparse(target.value if isinstance(target, ast.Subscript) else target)
        case ast.Assign(targets=[ast.Subscript(value=owner)]):
            return ast.unparse(owner)
        case ast.Call(func=ast.Attribute(value=owner, attr=name)) if name.endswith("_") and not name.endswith("__"):
            return ast.unparse(owner)
        case ast.Call(keywords=keywords, args=[first, *_]) if any(k.arg == "inplace" for k in keywords):
            return ast.unparse(first)
        case _:
            return None
