"""Explain an exception of a network in a few lines: the failing expression, its operands, the layer, what to try.

A traceback of a network is mostly torch's own frames. Here the exact positions in the bytecode (PEP 657) give the
expression that failed, and names are looked up in the frame without running any code of the candidate.
"""

from __future__ import annotations

import ast
import linecache
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType

import torch
from probes.hints import Scene, hint
from torch import nn

MISSING = object()
_MAX_TRACEBACK = 6000


def explain(error: BaseException, root: str, network: nn.Module | None = None) -> str:
    """Give at most about 900 characters, a fact a line.

    Args:
        error: as it was caught, with its traceback.
        root: folder of the candidate's source; frames outside it are libraries.
        network: what failed, to name the layer by its path.
    """
    frames = _frames(error.__traceback__)
    own = [entry for entry in frames if entry.tb_frame.f_code.co_filename.startswith(root)]
    layer, tensors = _innermost(frames)
    operands = _operands(own[-1]) if own else {}
    headline = summary(error)
    lines = [_crop(headline, 220)]
    if own:
        lines += _place(own[-1], root)
    if shown := [f"{name} = {described}" for name, value in operands.items() if (described := describe(value))]:
        lines.append(_crop(f"operands: {'; '.join(shown)}", 170))
    if layer is not None:
        given = "; ".join(f"{name} = {describe(value)}" for name, value in list(tensors.items())[:2])
        lines.append(_crop(f"layer: {layer_path(network, layer)} = {describe(layer)}, with {given}", 140))
    if advice := hint(headline, Scene(layer=layer, tensors=tensors, operands=operands)):
        lines.append(_crop(f"hint: {advice}", 210))
    return "\n".join(lines)


def summary(error: BaseException) -> str:
    """Give type and first line of the message, even where its `__str__` fails."""
    lines = [line for line in traceback.format_exception_only(error) if not line.startswith("  ")]
    return lines[0].strip().splitlines()[0]


def full_traceback(error: BaseException, root: str) -> str:
    """Give the traceback from the candidate's first frame on; its end when it is long."""
    start = error.__traceback__
    while start is not None and not start.tb_frame.f_code.co_filename.startswith(root):
        start = start.tb_next
    text = "".join(traceback.format_exception(type(error), error, start or error.__traceback__))
    return text if len(text) <= _MAX_TRACEBACK else f"…{text[-_MAX_TRACEBACK:]}"


def describe(value: object) -> str:
    """Write tensors as `float32[2, 3]`, layers as their class and sizes, small plain values; else an empty text."""
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, nn.Module):
        # Only torch's own layers are asked how they were built: `extra_repr` of others is the candidate's code.
        told = value.extra_repr() if type(value).__module__.startswith("torch.") else "…"
        return _crop(f"{type(value).__name__}({told or len(value._modules)})", 90)
    if isinstance(value, tuple | list) and len(value) <= 6:
        inner = [describe(item) for item in value]
        return f"({', '.join(inner)})" if all(inner) else ""
    return _crop(repr(value), 40) if type(value) in {int, float, bool, str} else ""


def layer_path(network: nn.Module | None, layer: nn.Module) -> str:
    """Give the path of `layer` in `network`, such as `blocks.1.attention`."""
    pending = [("", network)] if network is not None else []
    seen: set[int] = set()
    while pending:
        path, module = pending.pop(0)
        if module is layer:
            return path or "the network itself"
        if id(module) not in seen:
            seen.add(id(module))
            pending += [(f"{path}.{name}".lstrip("."), m) for name, m in module._modules.items() if m is not None]
    return "a layer"


def _frames(entry: TracebackType | None) -> list[TracebackType]:
    frames: list[TracebackType] = []
    while entry is not None:
        frames.append(entry)
        entry = entry.tb_next
    return frames


def _innermost(frames: list[TracebackType]) -> tuple[nn.Module | None, dict[str, torch.Tensor]]:
    """Find the last `forward` of a layer on the way down, and the tensors it holds."""
    for entry in reversed(frames):
        names = entry.tb_frame.f_locals
        owner = names.get("self")
        if entry.tb_frame.f_code.co_name == "forward" and isinstance(owner, nn.Module):
            return owner, {name: value for name, value in names.items() if isinstance(value, torch.Tensor)}
    return None, {}


def _place(entry: TracebackType, root: str) -> list[str]:
    code = entry.tb_frame.f_code
    line = linecache.getline(code.co_filename, entry.tb_lineno).strip()
    name = Path(code.co_filename).relative_to(root)
    lines = [_crop(f"at {name}:{entry.tb_lineno} in {code.co_qualname}: {line}", 150)]
    expression = _expression(entry)
    if expression and len(expression) < len(line):
        lines.append(_crop(f"failing expression: {expression}", 110))
    return lines


def _expression(entry: TracebackType) -> str:
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


def _operands(entry: TracebackType) -> dict[str, object]:
    """Look up every name of the failing expression; of its whole line where the expression has none."""
    line = linecache.getline(entry.tb_frame.f_code.co_filename, entry.tb_lineno).strip()
    for text in (_expression(entry), line):
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
        value = _value(node, frame)
        if value is not MISSING and describe(value):
            found[ast.unparse(node)] = value
        else:
            pending.extend(ast.iter_child_nodes(node))
    return found


def _value(node: ast.AST, frame: FrameType) -> object:
    """Look up a name or a chain of attributes in tables only; `MISSING` where that would run code."""
    if isinstance(node, ast.Name):
        return frame.f_locals.get(node.id, frame.f_globals.get(node.id, MISSING))
    if not isinstance(node, ast.Attribute):
        return MISSING
    owner = _value(node.value, frame)
    if isinstance(owner, nn.Module):
        return _first(node.attr, owner._parameters, owner._buffers, owner._modules, vars(owner))
    return owner.shape if isinstance(owner, torch.Tensor) and node.attr == "shape" else MISSING


def _first(name: str, *tables: Mapping[str, object]) -> object:
    return next((table[name] for table in tables if name in table), MISSING)


def _crop(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
