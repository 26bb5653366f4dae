"""Find passages of training sources that could make up data: told and put on the card, not refused by themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

_LOADS = frozenset({
    "from_parquet", "read_parquet", "read_table", "ParquetFile", "from_csv", "read_csv", "load_dataset",
    "load_from_disk", "open", "load",
})  # fmt: skip
_RANDOM = frozenset({
    "randn", "rand", "randint", "normal", "uniform", "standard_normal", "random", "random_sample", "integers",
    "choice",
})  # fmt: skip
_SOURCES = ("torch", "np", "numpy", "random", "rng", "generator")
_MADE = ("make_classification", "make_regression", "make_blobs", "make_moons", "make_circles", "FakeData")
_SETS = frozenset(("TensorDataset", "from_dict", "from_list"))
_ENDS = frozenset(("exit", "_exit", "abort"))
MOST = 5


def doubts(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Give at most five sentences, each with file and line, on sources that `train` ran."""
    found: list[str] = []
    for name, content in sorted(files.items()):
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError):
            continue
        found += [f"{name} line {line}: {what}" for line, what in sorted(set(_passages(tree)))]
    return tuple(found[:MOST])


def _passages(tree: ast.Module) -> Iterator[tuple[int, str]]:
    made_up = {name for node in ast.walk(tree) if isinstance(node, ast.Assign) for name in _random_names(node)}
    for node in ast.walk(tree):
        match node:
            case ast.Try():
                yield from _swallowed(node)
            case ast.If() if any(_called(n) in {"exists", "is_file"} for n in ast.walk(node.test)):
                if any(_is_random(n) for part in (node.body, node.orelse) for n in _walk(part)):
                    yield node.lineno, "where the data are missing it goes on with random numbers"
            case ast.Call() if _called(node) in _MADE:
                yield node.lineno, f"{_called(node)} makes data up"
            case ast.Call() if _called(node) in _SETS and _uses(node, made_up):
                yield node.lineno, f"{_called(node)} is given random numbers"
            case _:
                pass


def _swallowed(node: ast.Try) -> Iterator[tuple[int, str]]:
    """Judge the handlers of a failed load: one that ends the script, or raises, is none to doubt."""
    if not any(_called(n) in _LOADS for n in _walk(node.body)):
        return
    for handler in node.handlers:
        inside = list(_walk(handler.body))
        if any(isinstance(n, ast.Raise) or _called(n) in _ENDS for n in inside):
            continue
        is_made_up = any(_is_random(n) or _called(n) in _MADE for n in inside)
        what = "it goes on with made-up data" if is_made_up else "the script goes on"
        yield handler.lineno, f"where loading fails, {what}"


def _random_names(node: ast.Assign) -> Iterator[str]:
    if _is_random(node.value):
        for target in node.targets:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _uses(call: ast.Call, names: set[str]) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(_is_random(n) or (isinstance(n, ast.Name) and n.id in names) for n in _walk(given))


def _walk(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        yield from ast.walk(node)


def _called(node: ast.AST) -> str:
    """Give the last name of what is called; empty for what is no call."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_random(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _RANDOM):
        return False
    root: ast.AST = node.func
    while isinstance(root, ast.Attribute):
        root = root.value
    if isinstance(root, ast.Call):  # numpy.random.default_rng(0).normal(...)
        return _called(root) in {"default_rng", "RandomState"}
    return isinstance(root, ast.Name) and root.id in _SOURCES
