"""Find the `META` of a program in its syntax, without running it."""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from ml_intern.core.errors import ToolError

_LARGE = 10**12


def _power(left: float, right: float) -> float:
    if abs(right) > 64:
        raise OverflowError("the power is too large")
    value = cast("float | complex", left**right)
    if isinstance(value, complex):
        raise ArithmeticError("a root of a negative number")
    return value


_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Div: lambda left, right: left / right,
    ast.Mod: lambda left, right: left % right,
    ast.Pow: _power,
}
_FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "abs": abs, "float": float, "int": int, "len": len, "max": max, "min": min, "round": round, "str": str, "sum": sum,
    "math.ceil": math.ceil, "math.floor": math.floor, "math.log": math.log, "math.log2": math.log2,
    "math.prod": math.prod, "math.sqrt": math.sqrt,
}  # fmt: skip


def declared_meta(name: str, source: bytes) -> Mapping[str, object] | None:
    """Give the value of the last `META = {…}` at the top level, or None where there is none.

    It may use constants of the module, arithmetic, usual functions and f-strings on them; nothing of the program is
    run.

    Raises:
        ToolError: the file is no Python, or the value cannot be read that way.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source, name)
    except (SyntaxError, ValueError) as error:
        raise ToolError(f"{name} is no valid Python: {error}") from error
    known: dict[str, object] = {}
    found: object = None
    for node in tree.body:
        for target, value in _assigned(node):
            if target == "META":
                found = _evaluate(value, known)
            else:
                _remember(known, target, value)
    if found is not None and not isinstance(found, Mapping):
        raise ToolError(f"META in {name} must be a dictionary")
    return cast("Mapping[str, object] | None", found)


def _assigned(node: ast.stmt) -> list[tuple[str, ast.expr]]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return [(name, value)]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            return [(name, value)]
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)) if len(names) == len(values):
            return [(n.id, v) for n, v in zip(names, values, strict=True) if isinstance(n, ast.Name)]
        case _:
            return []


def _remember(known: dict[str, object], name: str, value: ast.expr) -> None:
    try:
        known[name] = _evaluate(value, known)
    except ToolError:
        known.pop(name, None)  # no constant; only META itself must be readable


def _evaluate(node: ast.expr, known: Mapping[str, object]) -> object:
    value: object
    match node:
        case ast.Constant(value=value):
            pass
        case ast.Name(id=name) if name in known:
            value = known[name]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            value = [_evaluate(item, known) for item in items]
        case ast.Dict():
            value = _dictionary(node, known)
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=pairs):
            value = {pair.arg: _evaluate(pair.value, known) for pair in pairs if pair.arg}
        case _:
            value = _computed(node, known)
    return value


def _computed(node: ast.expr, known: Mapping[str, object]) -> object:
    match node:
        case ast.Call(func=ast.Name() | ast.Attribute(), keywords=[]) if ast.unparse(node.func) in _FUNCTIONS:
            return _call(node, [_evaluate(argument, known) for argument in node.args])
        case ast.JoinedStr(values=parts):
            return "".join(str(_evaluate(part, known)) for part in parts)
        case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
            return _evaluate(inner, known)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _apply(_ARITHMETIC[ast.Sub], 0, _evaluate(operand, known), node)
        case ast.BinOp(op=sign, left=left, right=right) if type(sign) in _ARITHMETIC:
            return _apply(_ARITHMETIC[type(sign)], _evaluate(left, known), _evaluate(right, known), node)
        case _:
            raise ToolError(
                f"line {node.lineno}: META must be a plain dictionary of constants, so that it can be read without "
                f"running the program; {ast.unparse(node)[:60]!r} is none"
            )


def _dictionary(node: ast.Dict, known: Mapping[str, object]) -> dict[str, object]:
    made: dict[str, object] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        given = _evaluate(value, known)
        if key is None:
            made.update(cast("Mapping[str, object]", given))
        else:
            made[str(_evaluate(key, known))] = given
    return made


def _call(node: ast.Call, arguments: Sequence[object]) -> object:
    try:
        return _FUNCTIONS[ast.unparse(node.func)](*arguments)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ToolError(f"line {node.lineno}: {ast.unparse(node)[:60]!r}: {error}") from error


def _apply(function: Callable[[float, float], float], left: object, right: object, node: ast.expr) -> float:
    if not isinstance(left, int | float) or not isinstance(right, int | float) or max(abs(left), abs(right)) > _LARGE:
        raise ToolError(f"line {node.lineno}: {ast.unparse(node)[:60]!r} is no arithmetic on numbers")
    try:
        return function(left, right)
    except ArithmeticError as error:
        raise ToolError(f"line {node.lineno}: {ast.unparse(node)[:60]!r}: {error}") from error
