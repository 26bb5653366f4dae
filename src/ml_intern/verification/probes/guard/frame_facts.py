"""After an uncaught exception, print the shapes of the tensors in the user's last frames. Runs inside the sandbox."""

from __future__ import annotations

import sys

FRAMES = 3
SHOWN = 12
"""Frames shown, and names shown in each."""
LIMIT = 1600
"""Characters printed."""
SCANNED = 5_000_000
"""Elements up to which a tensor is searched for non-finite values."""


def install():
    """Print facts after the traceback that Python prints."""
    previous = sys.excepthook

    def hook(kind, error, trace):
        previous(kind, error, trace)
        if issubclass(kind, Exception) and (lines := describe(trace)):
            sys.stderr.write("\n".join(["[frame facts]", *lines])[:LIMIT] + "\n")

    sys.excepthook = hook


def describe(trace):
    """Give a line for each of the user's last frames that hold tensors or layers."""
    frames = []
    while trace is not None:
        if is_own(trace.tb_frame.f_code.co_filename):
            frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    lines = []
    for frame, line in frames[-FRAMES:]:
        facts = [f"{name}={fact}" for name, value in named(frame) if (fact := fact_of(value))]
        if facts:
            lines.append(f"  {frame.f_code.co_name}:{line} {'; '.join(facts[:SHOWN])}")
    return lines


def is_own(file):
    """Whether a frame of `file` is the user's, and no library's."""
    return not file.startswith((sys.prefix, sys.base_prefix, "<"))


def named(frame):
    """Give the frame's variables, and the layers of its `self`."""
    variables = dict(frame.f_locals)
    layers = getattr(type(variables.get("self")), "named_children", None) and variables["self"].__dict__.get("_modules")
    yield from ((name, value) for name, value in variables.items() if not name.startswith("__"))
    yield from ((f"self.{name}", layer) for name, layer in (layers or {}).items())


def fact_of(value):
    """Describe a tensor, an array or a layer without calling the user's code; None for anything else."""
    kind = type(value)
    if kind.__module__ == "torch" and kind.__name__ == "Tensor":
        return tensor_fact(value)
    if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
        return f"numpy.{value.dtype}{list(value.shape)}"
    if kind.__module__.startswith("torch.nn.modules"):
        detail = value.extra_repr()
        return f"{kind.__name__}({detail})" if detail else None
    return None


def tensor_fact(tensor):
    """Give type, shape and place, and how many values are not finite."""
    fact = f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
    if tensor.device.type != "cpu":
        return f"{fact} {tensor.device}"
    if tensor.is_floating_point() and tensor.layout is sys.modules["torch"].strided and tensor.numel() <= SCANNED:
        bad = int((~tensor.detach().isfinite()).sum())
        return f"{fact} NON-FINITE {bad}/{tensor.numel()}" if bad else fact
    return fact
