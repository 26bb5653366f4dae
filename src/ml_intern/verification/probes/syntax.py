"""The syntax of a program with what the static checks ask of it: full names of calls, parents, loops, layer classes."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from probes.candidate import Candidate
from probes.checks.base import Outcome, failed

Finding = tuple[ast.AST, str]
Function = ast.FunctionDef | ast.AsyncFunctionDef
Loop = ast.For | ast.While
_SHOWN = 3
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_WITH_WEIGHTS = (
    "Linear", "Bilinear", "Conv", "Embedding", "LSTM", "GRU", "RNN", "MultiheadAttention", "Transformer",
    "BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm", "Sequential", "ModuleList", "Parameter",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file: `names` maps what its imports bind to full names; `parents` each node to the one around it."""

    file: str
    text: str
    tree: ast.Module
    names: dict[str, str] = field(repr=False)
    parents: dict[ast.AST, ast.AST] = field(repr=False)

    def full(self, node: ast.AST | None) -> str:
        """Give the full name of a function or class, such as `torch.nn.Linear`; empty where it is not known."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, "")
        if isinstance(node, ast.Attribute) and (inner := self.full(node.value)):
            return f"{inner}.{node.attr}"
        return ""

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Give what stands around a node, from the inside out."""
        while (node := self.parents.get(node)) is not None:
            yield node

    def function_of(self, node: ast.AST) -> Function | None:
        """Give the function that a node stands in."""
        return next((n for n in self.around(node) if isinstance(n, Function)), None)

    def functions(self) -> list[Function]:
        """Give every function and method."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    def scopes(self) -> list[ast.AST]:
        """Give every function, and the module."""
        return [*self.functions(), self.tree]

    def layer_classes(self) -> dict[str, ast.ClassDef]:
        """Give the classes that derive from `nn.Module`, by way of classes of this file too."""
        classes = {node.name: node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)}
        found: dict[str, ast.ClassDef] = {}
        for _ in classes:
            for name, node in classes.items():
                if any(self.full(b) == "torch.nn.Module" or _named(b) in found for b in node.bases):
                    found[name] = node
        return found

    def makes_layer(self, node: ast.AST) -> bool:
        """Tell whether an expression makes a layer or parameter with weights."""
        if not isinstance(node, ast.Call):
            return False
        name = self.full(node.func)
        if name.startswith("torch.nn."):
            return name.rpartition(".")[2].startswith(_WITH_WEIGHTS)
        return _named(node.func) in self.layer_classes()


def sources(candidate: Candidate) -> list[Source]:
    """Read the program and the modules it brings, once; a file that is no Python is left to the forward check."""
    if "sources" not in candidate.notes:
        files = sorted(Path(candidate.root).rglob("*.py"))
        read = (_read(file, str(file.relative_to(candidate.root))) for file in files)
        candidate.notes["sources"] = [source for source in read if source is not None]
    return candidate.notes["sources"]


def judged(candidate: Candidate, find: Callable[[Source], Iterable[Finding]], advice: str) -> Outcome | None:
    """Fail with the first findings of `find` over all files."""
    found = [(source, node, what) for source in sources(candidate) for node, what in find(source)]
    if not found:
        return None
    places = list(dict.fromkeys(f"{source.file}:{node.lineno}" for source, node, _ in found))
    said = list(dict.fromkeys(what for _, _, what in found))
    more = f"; and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
    return failed("; ".join(said[:_SHOWN]) + more, where=", ".join(places[:_SHOWN]), advice=advice)


def inside(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a node without entering functions and classes defined in it."""
    pending = list(ast.iter_child_nodes(node))
    while pending:
        here = pending.pop(0)
        yield here
        if not isinstance(here, _SCOPES):
            pending += ast.iter_child_nodes(here)


def calls(node: ast.AST, *methods: str) -> list[ast.Call]:
    """Give the calls of methods or functions with one of these last names, not in nested functions."""
    return [n for n in inside(node) if isinstance(n, ast.Call) and last_name(n.func) in methods]


def last_name(node: ast.AST) -> str:
    """Give `c` of `a.b.c`, and `a` of `a`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def owner(call: ast.Call) -> str:
    """Write what a method is called on, such as `optimizer` or `self.scaler`."""
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""


def assignments(node: ast.AST, name: str | None = None) -> list[tuple[str, ast.expr, ast.stmt]]:
    """Give plain assignments of one target in a scope, in order; only those of `name` where it is given."""
    found = []
    for here in inside(node):
        if isinstance(here, ast.Assign) and len(here.targets) == 1:
            target, value = here.targets[0], here.value
        elif isinstance(here, ast.AnnAssign) and here.value is not None:
            target, value = here.target, here.value
        else:
            continue
        if isinstance(target, ast.Name | ast.Attribute) and (name is None or ast.unparse(target) == name):
            found.append((ast.unparse(target), value, here))
    return sorted(found, key=lambda one: one[2].lineno)


def stores(node: ast.AST, name: str) -> int:
    """Count how often a name is bound in a scope, in whatever way."""
    return sum(isinstance(n, ast.Name) and n.id == name and not isinstance(n.ctx, ast.Load) for n in inside(node))


def argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    """Give an argument by place or name."""
    given = {pair.arg: pair.value for pair in call.keywords}
    return given.get(name, call.args[place] if len(call.args) > place else None)


def constant(node: ast.AST | None) -> object:
    """Give the value of a constant; None for anything else."""
    return node.value if isinstance(node, ast.Constant) else None


def blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Give every list of statements in a scope."""
    for here in [node, *inside(node)]:
        if isinstance(here, _SCOPES) and here is not node:
            continue
        for name in ("body", "orelse", "finalbody"):
            value = getattr(here, name, None)
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                yield value


def uses_random_order(source: Source) -> bool:
    """Tell whether anything in a file puts rows into a random order."""
    words = (
        "randperm", "shuffle=True", ".shuffle(", "permutation(", "RandomSampler", "random_split", "train_test_split",
        "multinomial", "randint", "random.sample",
    )  # fmt: skip
    return any(word in source.text for word in words)


def _named(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _read(file: Path, name: str) -> Source | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            text = file.read_text("utf-8")
            tree = ast.parse(text, name)
    except (SyntaxError, ValueError):
        return None
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    return Source(file=name, text=text, tree=tree, names=_imports(tree), parents=parents)


def _imports(tree: ast.Module) -> dict[str, str]:
    """Map what imports bind, except for names that something else binds as well."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                found[name.asname or name.name.partition(".")[0]] = (
                    name.name if name.asname else name.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.update({name.asname or name.name: f"{node.module}.{name.name}" for name in node.names})
    bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    bound |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, Function | ast.ClassDef)}
    return {name: full for name, full in found.items() if name not in bound}
