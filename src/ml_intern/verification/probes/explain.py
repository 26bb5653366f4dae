"""Explain an exception of a network in a few lines: the failing expression, its operands, the layer, what to try.

A traceback of a network is mostly torch's own frames. Here the exact positions in the bytecode (PEP 657) give the
expression that failed, and names are looked up in the frame without running any code of the candidate.
"""

from __future__ import annotations

import re
import sys
import sysconfig
import traceback
from pathlib import Path
from types import TracebackType

import torch
from probes import carried, inplace, lookup
from probes.describing import crop, describe, layer_path
from probes.hints import Scene, hint
from torch import nn

_MAX_TRACEBACK = 6000
_MESSAGE = 300
"""Characters of an error's own message."""


def explain(error: BaseException, root: str | None = None, network: nn.Module | None = None) -> str:
    """Give at most about 900 characters, a fact a line.

    Args:
        error: as it was caught, with its traceback.
        root: folder of the candidate's source; without one every file that was not installed is the candidate's.
        network: what failed, to name the layer by its path; without one the outermost layer on the way down.
    """
    frames = _frames(error.__traceback__)
    own = [entry for entry in frames if is_own(entry.tb_frame.f_code.co_filename, root)]
    here = _place(own[-1], root) if own else []
    if told := carried.explanation(error):  # the process where it happened has seen more than this one
        return "\n".join([told, *(f"in a worker of the loop {text}" for text in here[:1])])
    layer, tensors = _innermost(frames)
    network = network if network is not None else _outermost(frames)
    operands = (lookup.operands(own[-1]) if own else {}) or _batch(frames)
    headline = cause(error)
    lines = [crop(headline, _MESSAGE), *here, *carried.place(error, is_own, shown)]
    given = [f"{name} = {text}" for name, value in operands.items() if (text := describe(value))]
    lines += _line("operands", "; ".join(given), 170)
    if layer is not None:
        path = f"{path} = " if (path := layer_path(network, layer)) else ""
        held = "; ".join(f"{name} = {describe(value)}" for name, value in list(tensors.items())[:2])
        lines += _line("layer", f"{path}{describe(layer)}, with {held}", 150)
    lines += _line("changed in place", inplace.suspects(headline, lambda file: is_own(file, root)), 190)
    scene = Scene(layer=layer, network=network, tensors=tensors, operands=operands)
    return "\n".join([*lines, *_line("hint", hint(headline, scene), 230)])


def _line(name: str, text: str, limit: int) -> list[str]:
    return [crop(f"{name}: {text}", limit)] if text else []


def summary(error: BaseException) -> str:
    """Give type and first line of the message, even where its `__str__` fails."""
    return _message(error).splitlines()[0].strip()


def _message(error: BaseException) -> str:
    parts = [part for part in traceback.format_exception_only(error) if not part.startswith("  ")]
    return parts[0].strip()


def cause(error: BaseException) -> str:
    """Give the error that is behind one which only carries it, else its own message on one line."""
    headline = summary(error)
    if found := carried.cause(error):
        return f"{found}  ({crop(headline.rstrip('.'), 90)})"
    return " ".join(_ADVICE.sub("", _message(error)).split()) if len(headline) < _MESSAGE else headline


_ADVICE = re.compile(r" Hint: enable anomaly detection.*| \(or directly access saved tensors .*?\)", re.DOTALL)
"""What torch advises in a message and what stands here in the hint."""

_LIBRARIES = tuple({*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, "/opt/ml-intern/", "<frozen "})


def is_own(file: str, root: str | None = None) -> bool:
    """Whether a file is the candidate's: below `root`, or where there is none, not installed."""
    return file.startswith(root) if root is not None else not file.startswith(_LIBRARIES)


def shown(file: str) -> str:
    """Give the name that the language model knows a file by."""
    return file.removeprefix("/source/").removeprefix("/workspace/")


def full_traceback(error: BaseException, root: str) -> str:
    """Give the traceback from the candidate's first frame on; its end when it is long."""
    start = error.__traceback__
    while start is not None and not start.tb_frame.f_code.co_filename.startswith(root):
        start = start.tb_next
    text = "".join(traceback.format_exception(type(error), error, start or error.__traceback__))
    return text if len(text) <= _MAX_TRACEBACK else f"…{text[-_MAX_TRACEBACK:]}"


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


def _outermost(frames: list[TracebackType]) -> nn.Module | None:
    """Find the first layer on the way down: the network, whatever the candidate calls it."""
    owners = (entry.tb_frame.f_locals.get("self") for entry in frames)
    return next((owner for owner in owners if isinstance(owner, nn.Module)), None)


def _batch(frames: list[TracebackType]) -> dict[str, object]:
    """Give what a loader was putting together: the data set, and samples that do not go together."""
    found: dict[str, object] = {}
    for entry in frames:
        code, names = entry.tb_frame.f_code, entry.tb_frame.f_locals
        if "torch/utils/data/_utils" in code.co_filename:
            found |= {name: names[name] for name in ("batch", "samples") if describe(names.get(name))}
            owner = names.get("self")
            found |= {"dataset": owner.dataset} if code.co_name == "fetch" and hasattr(owner, "dataset") else {}
    return found


def _place(entry: TracebackType, root: str | None) -> list[str]:
    code, line = entry.tb_frame.f_code, lookup.line(entry)
    name = Path(code.co_filename).relative_to(root) if root is not None else shown(code.co_filename)
    lines = [crop(f"at {name}:{entry.tb_lineno} in {code.co_qualname}: {line}", 150)]
    expression = lookup.expression(entry)
    if expression and len(expression) < len(line):
        lines.append(crop(f"failing expression: {expression}", 110))
    return lines
