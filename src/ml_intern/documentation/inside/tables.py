"""Read what a module names, without importing it: its definitions, its imports, and what it exports."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A name that comes from elsewhere: `name` of `module`, or that module itself."""

    module: str
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name that an assignment gives to something else, as `dotted`, seen from the same module."""

    dotted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """A function or class that is compiled; its documentation is attached to it by Python code."""

    doc: str
    line: int
    file: str


Definition: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.AnnAssign | Native"
Target: TypeAlias = "Definition | Import | Alias"
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(slots=True, kw_only=True)
class Module:
    """A source file or stub. `exported` is None where the module does not say, or only by running it, what it exports.

    `stars` are modules of which everything is imported.
    """

    name: str
    file: str
    is_package: bool
    is_stub: bool
    lines: Sequence[bytes]
    doc: str
    names: dict[str, Target] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    exported: list[str] | None = None

    def text(self, node: ast.expr) -> str:
        """Give the source of an expression on one line."""
        last = node.end_lineno or node.lineno
        if last == node.lineno:
            return self.lines[last - 1][node.col_offset : node.end_col_offset].decode("utf-8", "replace")
        rows = [*self.lines[node.lineno - 1 : last]]
        rows[-1] = rows[-1][: node.end_col_offset]
        rows[0] = rows[0][node.col_offset :]
        # no comment may end up in the middle of a line
        return " ".join(row.partition(b" #")[0].strip().decode("utf-8", "replace") for row in rows)


def read_module(name: str, path: Path, site: Path) -> Module | None:
    """Read a module; None where it cannot be parsed by this Python."""
    source = path.read_bytes()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    module = Module(
        name=name,
        file=path.relative_to(site).as_posix(),
        is_package=path.stem == "__init__",
        is_stub=path.suffix == ".pyi",
        lines=source.splitlines(),
        doc=ast.get_docstring(tree) or "",
    )
    _prune(tree)
    _Reader(module).read(tree.body)
    return module


def _prune(tree: ast.Module) -> None:
    """Let go of what functions do: the trees of a large package would take gigabytes."""
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else ()
        for function in (node, *inner):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                del function.body[1:]


def dotted(node: ast.AST) -> str | None:
    """Give `a.b.c` for an expression that is one."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def called(node: ast.AST) -> str:
    """Give the last name of what a call calls; empty for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    return (dotted(node.func) or "").rpartition(".")[2]


def literal(node: ast.AST) -> str | None:
    """Give a text as far as it can be known without running: a literal, `+` of literals, `literal.format(...)`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp):
        return "".join(filter(None, (literal(node.left), literal(node.right)))) or None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return literal(node.func.value)
    return None


class _Reader:
    """Fills a module's table from its statements; of branches, all are read."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._lists: dict[str, list[str]] = {}
        self._is_open = False  # __all__ is more than can be read

    def read(self, body: Sequence[ast.stmt]) -> None:
        for node in body:
            self._read(node)
        if self._is_open:
            self._module.exported = None

    def _read(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._define(node)
            case ast.Import() | ast.ImportFrom():
                self._import(node)
            case ast.Assign() | ast.AugAssign() | ast.AnnAssign():
                self._assign(node)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="__all__"))) as call):
                self._export(call.args)
            case ast.If() | ast.Try() | ast.With() | ast.For():
                for part in _bodies(node):
                    for inner in part:
                        self._read(inner)
            case _:
                pass

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        known = self._module.names.get(node.name)
        is_overload = any("overload" in (dotted(decorator) or "") for decorator in node.decorator_list)
        if not (is_overload and isinstance(known, _DEFINITIONS)):
            self._module.names[node.name] = node

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        names = self._module.names
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names.setdefault(alias.asname or top, Import(module=alias.name if alias.asname else top, name=None))
            return
        base = self._absolute(node)
        for alias in node.names:
            if alias.name == "*":
                self._module.stars.append(base)
            else:
                names.setdefault(alias.asname or alias.name, Import(module=base, name=alias.name))

    def _absolute(self, node: ast.ImportFrom) -> str:
        parts = self._module.name.split(".")
        if not node.level:
            return node.module or ""
        kept = parts[: len(parts) - node.level + (1 if self._module.is_package else 0)]
        return ".".join([*kept, *([node.module] if node.module else [])])

    def _assign(self, node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        name = targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None
        if name == "__all__" and node.value is not None:
            self._export([node.value])
        elif name is not None and isinstance(node, ast.AnnAssign) and self._module.is_stub:
            self._module.names.setdefault(name, node)
        elif name is not None and isinstance(node, ast.Assign):
            self._name(name, node.value)

    def _name(self, name: str, value: ast.expr) -> None:
        function = called(value)
        if isinstance(value, ast.List | ast.Tuple):
            self._lists[name] = [item for node in value.elts if (item := literal(node))]
        elif function.endswith("add_docstr") and isinstance(value, ast.Call):
            doc = literal(value.args[1]) or "" if len(value.args) > 1 else ""
            self._module.names[name] = Native(doc=doc, line=value.lineno, file=self._module.file)
        elif function == "define_import_structure" and isinstance(value, ast.Call):
            # transformers names what its models export by their __all__, and exports it as its own
            prefixes = [literal(keyword.value) for keyword in value.keywords if keyword.arg == "prefix"]
            self._module.stars += [f"{self._module.name}.{prefix}" for prefix in prefixes if prefix]
        elif (path := dotted(value)) is not None:
            self._module.names.setdefault(name, Alias(dotted=path))

    def _export(self, values: Sequence[ast.expr]) -> None:
        found = [*(self._module.exported or [])]
        for node in (inner for value in values for inner in ast.walk(value)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.Name) and node.id in self._lists:
                found += self._lists[node.id]
            elif isinstance(node, ast.Attribute | ast.Name | ast.Call):
                self._is_open = True
        self._module.exported = found


def _bodies(node: ast.If | ast.Try | ast.With | ast.For) -> Iterator[Sequence[ast.stmt]]:
    yield node.body
    if isinstance(node, ast.If | ast.Try | ast.For):
        yield node.orelse
    if isinstance(node, ast.Try):
        yield from (handler.body for handler in node.handlers)
        yield node.finalbody
