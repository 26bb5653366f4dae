"""Find where numbers stopped being finite, by repeating the last call of the network. Runs inside the sandbox."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

REPEATING = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What the user's forward pass may raise when it is repeated."""
FILLS = {"aten::full", "aten::full_like", "aten::masked_fill", "aten::empty", "aten::empty_like", "aten::scalar_tensor"}
"""Operations that put an infinity on purpose (masks) or hold garbage for a moment."""


def first_non_finite(torch, networks, calls):
    """Give a sentence that names the first batch, parameter, module or gradient that is not finite.

    Args:
        torch: the module.
        networks: what is trained.
        calls: arguments, keywords and random state of the last call, by the network's id.
    """
    output = ""
    for network in networks:
        if bad := [name for name, p in network.named_parameters() if not is_finite(torch, p)]:
            return f"Parameters were not finite before this step already: {listed(bad)}."
        if id(network) in calls:
            if found := repeat(torch, network, *calls[id(network)]):
                return found
            output = "The network's output is finite, so look at the loss that is computed from it. "
    return (output + gradients(torch, networks)).rstrip()


def gradients(torch, networks):
    """Name the non-finite gradient nearest to the output: from there the others became so."""
    named = [(name, p.grad) for n in networks for name, p in n.named_parameters() if p.grad is not None]
    bad = [name for name, gradient in named if not is_finite(torch, gradient)]
    if not bad:
        return ""
    return f"{len(bad)} of {len(named)} gradients are not finite, nearest to the output: {bad[-1]}."


def repeat(torch, network, args, kwargs, state):
    """Run the forward pass again and watch it; empty if everything stayed finite."""
    for number, tensor in enumerate(floats(torch, (args, kwargs))):
        if tensor.dim() and not is_finite(torch, tensor):
            bad = (~tensor.reshape(len(tensor), -1).isfinite()).any(1).nonzero().flatten().tolist()
            return f"Input {number} of the network, {list(tensor.shape)}, is not finite in rows {listed(bad)}."
    modules = []

    def hook(module, given, output):
        healthy = all(is_finite(torch, t) for t in floats(torch, given))
        if not modules and healthy and not all(is_finite(torch, t) for t in floats(torch, output)):
            modules.append((module, given))

    hooks = [module.register_forward_hook(hook) for module in network.modules()]
    watching, now = Operations(torch), torch.get_rng_state()
    try:
        torch.set_rng_state(state)
        with torch.no_grad(), watching:
            network(*args, **kwargs)
    except REPEATING as error:
        return f"Repeating the forward pass failed: {type(error).__name__}: {str(error)[:200]}."
    finally:
        torch.set_rng_state(now)
        for registered in hooks:
            registered.remove()
    return sentence(torch, network, modules, watching.first)


def sentence(torch, network, modules, operation):
    """Put what was found into words."""
    if not modules and operation is None:
        return ""
    parts = []
    if modules:
        module, given = modules[0]
        name = next((n for n, m in network.named_modules() if m is module), "") or "the network itself"
        largest = max((float(t.abs().max()) for t in floats(torch, given) if t.numel()), default=0.0)
        parts.append(f"First non-finite output: {name} ({type(module).__name__}), largest input {largest:.3g}")
    if operation is not None:
        parts.append(f"first operation: {operation}")
    return f"{'; '.join(parts)}."


class Operations(TorchDispatchMode):
    """Remember the first operation whose result is not finite."""

    def __init__(self, torch):
        super().__init__()
        self.torch = torch
        self.first = None

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function._schema.name
        finite = self.first or name in FILLS or all(is_finite(self.torch, t) for t in floats(self.torch, result))
        if not finite:
            self.first = f"{name}{place(str(Path(self.torch.__file__).parent))}"
        return result


def place(library):
    """Give the user's line that is being run."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith((library, __file__, "<frozen")):
        frame = frame.f_back
    if frame is None:
        return ""
    file, line = frame.f_code.co_filename, frame.f_lineno
    return f" at {Path(file).name}:{line} `{linecache.getline(file, line).strip()[:100]}`"


def floats(torch, tree):
    """Give the floating-point tensors in a nest of containers."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point()]


def is_finite(torch, tensor):
    """Whether every element is finite."""
    return bool(torch.isfinite(tensor.detach().to_dense() if tensor.is_sparse else tensor.detach()).all())


def listed(items, limit=5):
    """Name the first few."""
    return ", ".join(map(str, items[:limit])) + (f" and {len(items) - limit} more" if len(items) > limit else "")
