"""Look names of a failing expression up in its frame, in tables only: no code of the candidate runs."""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Mapping
from types import FrameType, TracebackType

import torch
from probes.describing import describe
from torch import nn

MISSING = object()


def expression(entry: TracebackType) -> str:
    """Give the source text of the instruction that failed, or an empty text where the positions are unknown."""
    code = entry.tb_frame.f_code
    first, last, start, end = list(code.co_positions())[entry.tb_lasti // 2]
    if first is None or last is None or start is None or end is None:
        return ""
    # Columns count bytes of UTF-8.
    lines = [linecache.getline(code.co_filename, number).rstrip("\n").encode() for number in range(first, last + 1)]
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][start:]
    return " ".join(line.decode(errors="replace").strip() for line in lines)


def line(entry: TracebackType) -> str:
    """Give the source line of the frame."""
    return linecache.getline(entry.tb_frame.f_code.co_filename, entry.tb_lineno).strip()


def operands(entry: TracebackType) -> dict[str, object]:
    """Look up every name of the failing expression; of its whole line where the expression has none."""
    whole = line(entry)
    for text in (expression(entry), whole, f"{whole} pass", f"{whole.removeprefix('el')} pass"):
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue
        if found := _resolved(tree, entry.tb_frame):
            return found
    return {}


def _resolved(tree: ast.AST, frame: FrameType) -> dict[str, object]:
    found: dict[str, object] = {}
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop(0)
        value = MISSING if isinstance(node, ast.Name) and node.id == "self" else _value(node, frame)
        described = "" if value is MISSING else describe(value)
        if described and not ast.unparse(node).endswith(described):  # `torch.float16` says what it is
            found[ast.unparse(node)] = value
        else:
            pending.extend(ast.iter_child_nodes(node))
    return found


def _value(node: ast.AST, frame: FrameType) -> object:
    """Look up a name, a chain of attributes, or an item by a constant; `MISSING` where that would run code."""
    match node:
        case ast.Name():
            return frame.f_locals.get(node.id, frame.f_globals.get(node.id, MISSING))
        case ast.Attribute():
            return _attribute(_value(node.value, frame), node.attr)
        case ast.Subscript(slice=ast.Constant(value=str() | int() as key)):
            return _item(_value(node.value, frame), key)
        case _:
            return MISSING


def _attribute(owner: object, name: str) -> object:
    if owner is MISSING:
        return MISSING
    if isinstance(owner, nn.Module):
        return _first(name, owner._parameters, owner._buffers, owner._modules, vars(owner))
    if isinstance(owner, torch.Tensor):
        return getattr(owner, name) if name in {"shape", "dtype", "device"} else MISSING
    return inspect.getattr_static(owner, name, MISSING)


def _item(owner: object, key: str | int) -> object:
    if type(owner) is dict:
        return owner.get(key, MISSING)
    if type(owner) in {list, tuple} and isinstance(key, int) and -len(owner) <= key < len(owner):
        return owner[key]
    return MISSING


def _first(name: str, *tables: Mapping[str, object]) -> object:
    return next((table[name] for table in tables if name in table), MISSING)
