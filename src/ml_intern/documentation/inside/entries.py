"""Make entries of the index from definitions: kind, signature, documentation, place."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tables import Definition, Module, Native, called, dotted, literal

_LONGEST_SIGNATURE, _LONGEST_DOC = 4_000, 40_000
"""Characters; a class of transformers documents more than a hundred arguments."""
_SHOWN_SPECIAL = ("__call__", "__getitem__")
_FIRST_LINE = re.compile(r"\s*[\w.]*(\((?:[^()]|\([^()]*\))*\)(?:\s*->\s*[^\n]+?)?):?\s*(?:\n|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of one name. `bases` are dotted, as the class's own module writes them."""

    name: str
    kind: str
    signature: str
    doc: str
    file: str
    line: int
    bases: tuple[str, ...] = ()


def entries_of(name: str, definition: Definition, module: Module) -> Iterator[Entry]:
    """Give the entry of `definition` under its public name, and those of a class's methods."""
    if isinstance(definition, Native):
        yield native_entry(name, definition)
    elif isinstance(definition, ast.AnnAssign):
        signature = f": {module.text(definition.annotation)}"
        yield Entry(
            name=name, kind="attribute", signature=signature[:_LONGEST_SIGNATURE], doc="", file=module.file,
            line=definition.lineno,
        )  # fmt: skip
    elif isinstance(definition, ast.ClassDef):
        yield from _class(name, definition, module)
    else:
        yield _function(name, definition, module, kind="function")


def native_entry(name: str, native: Native, kind: str = "function") -> Entry:
    """Give the entry of something compiled, whose documentation begins with its signature."""
    doc = inspect.cleandoc(native.doc)
    found = _FIRST_LINE.match(doc)
    signature = " ".join(found[1].replace("$self, ", "").replace("$self", "").split()) if found else ""
    rest = doc[found.end() :].removeprefix("--\n").strip() if found else doc
    return Entry(name=name, kind=kind, signature=signature, doc=rest[:_LONGEST_DOC], file=native.file, line=native.line)


def _class(name: str, node: ast.ClassDef, module: Module) -> Iterator[Entry]:
    methods = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
    made = methods.get("__init__") or methods.get("__new__")
    signature = _signature(made, module, is_method=True).partition(" -> ")[0] if made else _fields(node, module)
    own = ast.get_docstring(node) or ""
    init = (ast.get_docstring(made) or "") if made else ""
    yield Entry(
        name=name,
        kind="class",
        signature=signature[:_LONGEST_SIGNATURE],
        doc="\n\n".join(filter(None, (own, init, _helps(node))))[:_LONGEST_DOC],
        file=module.file,
        line=node.lineno,
        bases=tuple(base for base in map(dotted, node.bases) if base and base != "object"),
    )
    for method in methods.values():
        if not method.name.startswith("_") or method.name in _SHOWN_SPECIAL:
            is_property = any("property" in (dotted(d) or "") for d in method.decorator_list)
            kind = "property" if is_property else "method"
            yield _function(f"{name}.{method.name}", method, module, kind=kind)


def _function(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef, module: Module, *, kind: str) -> Entry:
    signature = _signature(node, module, is_method=kind != "function")
    doc = ast.get_docstring(node) or ""
    if module.is_stub and not doc:
        signature = signature.replace(" = ...", "=…")
    return Entry(
        name=name, kind=kind, signature=signature[:_LONGEST_SIGNATURE], doc=doc[:_LONGEST_DOC], file=module.file,
        line=node.lineno,
    )  # fmt: skip


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, module: Module, *, is_method: bool) -> str:
    given = node.args
    before = [None] * (len(given.posonlyargs) + len(given.args) - len(given.defaults))
    positional = [
        _parameter(argument, default, module)
        for argument, default in zip([*given.posonlyargs, *given.args], [*before, *given.defaults], strict=True)
    ]
    if given.posonlyargs:
        positional.insert(len(given.posonlyargs), "/")
    is_static = any(dotted(decorator) == "staticmethod" for decorator in node.decorator_list)
    if is_method and positional and not is_static:
        positional = positional[1:]
    if given.vararg:
        positional.append(f"*{_parameter(given.vararg, None, module)}")
    elif given.kwonlyargs:
        positional.append("*")
    named = [_parameter(a, d, module) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    rest = [f"**{_parameter(given.kwarg, None, module)}"] if given.kwarg else []
    result = f" -> {module.text(node.returns)}" if node.returns else ""
    return f"({', '.join([*positional, *named, *rest])}){result}"


def _parameter(argument: ast.arg, default: ast.expr | None, module: Module) -> str:
    kind = f": {module.text(argument.annotation)}" if argument.annotation else ""
    if default is None:
        return f"{argument.arg}{kind}"
    return f"{argument.arg}{kind} = {module.text(default)}" if kind else f"{argument.arg}={module.text(default)}"


def _fields(node: ast.ClassDef, module: Module) -> str:
    """Give the fields of a data class, which are the arguments that make one."""
    if not any("dataclass" in (dotted(d) or "") or "dataclass" in called(d) or dotted(d) == "strict"
               for d in node.decorator_list):  # fmt: skip
        return ""
    fields: list[str] = []
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            default = _default(item.value, module)
            fields.append(f"{item.target.id}: {module.text(item.annotation)}{default}")
    return f"({', '.join(fields)})"


def _default(value: ast.expr | None, module: Module) -> str:
    if value is None:
        return ""
    if called(value) == "field" and isinstance(value, ast.Call):
        given = {keyword.arg: keyword.value for keyword in value.keywords}
        if "default" in given:
            return f" = {module.text(given['default'])}"
        return f" = {module.text(given['default_factory'])}()" if "default_factory" in given else ""
    return f" = {module.text(value)}"


def _helps(node: ast.ClassDef) -> str:
    """Give what a data class says of its fields as `field(metadata={"help": ...})`."""
    lines: list[str] = []
    for item in node.body:
        if (
            isinstance(item, ast.AnnAssign)
            and isinstance(item.target, ast.Name)
            and called(item.value or item) == "field"
        ):
            lines += [f"{item.target.id}: {' '.join(text.split())}" for text in _help(item.value)]
    return "\n".join(lines)


def _help(value: ast.expr | None) -> Sequence[str]:
    if not isinstance(value, ast.Call):
        return ()
    tables = [k.value for k in value.keywords if k.arg == "metadata" and isinstance(k.value, ast.Dict)]
    pairs = [pair for table in tables for pair in zip(table.keys, table.values, strict=True)]
    return [text for key, told in pairs if key is not None and literal(key) == "help" and (text := literal(told))]
