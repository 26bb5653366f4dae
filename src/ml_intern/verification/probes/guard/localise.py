"""Find where numbers stopped being finite, by repeating the last call of the network. Runs inside the sandbox."""

from __future__ import annotations

import contextlib
import linecache
import re
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


def first_non_finite(torch, networks, calls, optimizer=None, *, loss_is_finite=False):
    """Give a sentence that names the first batch, parameter, module or gradient that is not finite.

    Args:
        torch: the module.
        networks: what is trained.
        calls: arguments, keywords, random state and autocast of the last call, by the network's id.
        optimizer: whose state may be to blame for parameters.
        loss_is_finite: whether only the way back is to blame.
    """
    output, order = "", []
    for network in networks:
        if bad := [(name, p) for name, p in network.named_parameters() if not is_finite(torch, p)]:
            names = listed([name for name, _ in bad])
            return f"Parameters are not finite since the last update: {names}. {state(torch, optimizer, bad)}".rstrip()
        for name, part in called(network, calls):
            if found := repeat(torch, part, order, *calls[id(part)], path=name):
                return found
            output = "The network's output is finite, so look at the loss that is computed from it. "
    if not (gradient := gradients(torch, networks, order)):
        return output.rstrip()
    if loss_is_finite:
        output = "The forward pass is finite. "
    parts = [(name, part) for network in networks for name, part in called(network, calls)]
    found = next((f for name, part in parts if (f := backward(torch, part, *calls[id(part)], path=name))), "")
    return (output + found + gradient).rstrip()


def called(network, calls):
    """Give what was called, with its path: the network, or where another method of it is at work, parts of it."""
    if id(network) in calls:
        return [("", network)]
    return [(name, part) for name, part in network.named_modules() if id(part) in calls]


def state(torch, optimizer, bad):
    """Say what of the optimizer's state is not finite for the first bad parameter."""
    if optimizer is None:
        return ""
    for name, parameter in bad:
        values = optimizer.state.get(parameter, {}).items()
        if wrong := [k for k, v in values if isinstance(v, torch.Tensor) and not is_finite(torch, v)]:
            return f"The optimizer's {listed(wrong)} of {name} is not finite."
    rates = [group.get("lr") for group in optimizer.param_groups]
    return f"The optimizer's state is finite; its learning rate is {listed([f'{float(r):.3g}' for r in rates])}."


def gradients(torch, networks, order):
    """Name the non-finite gradient nearest to the output, by the `order` in which modules were run."""
    named = [(name, p.grad) for n in networks for name, p in n.named_parameters() if p.grad is not None]
    bad = [name for name, gradient in named if not is_finite(torch, gradient)]
    if not bad:
        return ""
    places = {name: number for number, name in enumerate(order)}
    last = max(bad, key=lambda name: (places.get(name.rpartition(".")[0], -1), bad.index(name)))
    return f"{len(bad)} of {len(named)} gradients are not finite, nearest to the output: {last}."


@contextlib.contextmanager
def repeating(torch, saved, cast):
    """Put random numbers and autocast back to what they were before the call."""
    now = torch.get_rng_state()
    kind = torch.autocast(*cast) if cast is not None else contextlib.nullcontext()
    try:
        torch.set_rng_state(saved)
        with kind:
            yield
    finally:
        torch.set_rng_state(now)


def repeat(torch, network, order, args, kwargs, saved, cast=None, *, path=""):
    """Run the forward pass again and watch it; empty if everything stayed finite. Fills `order` with module names."""
    for number, tensor in enumerate(floats(torch, (args, kwargs))):
        if tensor.dim() and not is_finite(torch, tensor):
            bad = (~tensor.reshape(len(tensor), -1).isfinite()).any(1).nonzero().flatten().tolist()
            return f"Input {number} of the network, {list(tensor.shape)}, is not finite in rows {listed(bad)}."
    modules = []

    def noting(name):
        def hook(module, given, output):
            order.append(name)
            healthy = all(is_finite(torch, t) for t in floats(torch, given))
            if not modules and healthy and not all(is_finite(torch, t) for t in floats(torch, output)):
                modules.append((name, module, given))

        return hook

    hooks = [module.register_forward_hook(noting(name)) for name, module in network.named_modules(prefix=path)]
    watching = Operations(torch)
    try:
        with repeating(torch, saved, cast), torch.enable_grad(), watching:  # as it was in training
            network(*args, **kwargs)
    except REPEATING as error:
        return f"Repeating the forward pass failed: {type(error).__name__}: {str(error)[:200]}."
    finally:
        for registered in hooks:
            registered.remove()
    return sentence(torch, modules, watching.first)


def sentence(torch, modules, operation):
    """Put what was found into words."""
    if not modules and operation is None:
        return ""
    parts = []
    if modules:
        name, module, given = modules[0]
        largest = max((float(t.detach().abs().max()) for t in floats(torch, given) if t.numel()), default=0.0)
        shown = f"{name or 'the network itself'} ({type(module).__name__})"
        parts.append(f"First non-finite output: {shown}, largest input {largest:.3g}")
    if operation is not None:
        parts.append(f"first operation: {operation}")
    return f"{'; '.join(parts)}."


def backward(torch, network, args, kwargs, saved, cast=None, *, path=""):
    """Run forward and backward again with a gradient of ones; name the first step back that is not finite."""
    graph = Graph(torch)
    named = network.named_modules(prefix=path)
    hooks = [module.register_forward_hook(graph.noting(name)) for name, module in named]
    try:
        with (
            repeating(torch, saved, cast),
            torch.enable_grad(),
            torch.autograd.set_detect_anomaly(True, check_nan=False),
        ):
            outputs = [t for t in floats(torch, network(*args, **kwargs)) if t.requires_grad]
            graph.watch()
            wanted = [p for p in network.parameters() if p.requires_grad]
            torch.autograd.grad(outputs, wanted, [torch.ones_like(t) for t in outputs], allow_unused=True)
    except REPEATING:
        return ""  # what was seen at first hand remains
    finally:
        for registered in hooks:
            registered.remove()
    return graph.told()


class Graph:
    """Which module each step of the backward pass belongs to, and the first that turned non-finite."""

    def __init__(self, torch):
        self.torch = torch
        self.owners = {}
        self.first = None

    def noting(self, name):
        """Give a hook that claims for a module what lies between its inputs and its outputs, and no inner one has."""

        def hook(module, given, output):
            before = {t.grad_fn for t in floats(self.torch, given)}
            pending = [t.grad_fn for t in floats(self.torch, output)]
            while pending:
                node = pending.pop()
                if node is not None and node not in before and node not in self.owners:
                    self.owners[node] = f"{name or 'the network itself'} ({type(module).__name__})"
                    pending += [following for following, _ in node.next_functions]

        return hook

    def watch(self):
        """Look at what goes into and comes out of each step of the backward pass."""
        for node, owner in self.owners.items():
            node.register_hook(self.looking(node, owner))

    def looking(self, node, owner):
        """Give a hook for one step of the backward pass."""

        def look(results, given):
            if self.first is None and self.finite(given) and not self.finite(results):
                self.first = f"{owner}, {node.name()}{line_of(node.metadata.get('traceback_', ()))}"

        return look

    def finite(self, tensors):
        """Whether all of them are."""
        return all(is_finite(self.torch, t) for t in floats(self.torch, tensors))

    def told(self):
        """Give a sentence, or nothing."""
        return f"The backward pass first turns non-finite in {self.first}. " if self.first else ""


def line_of(stack):
    """Give the user's last line in a stack as text, written ` at network.py:12 `code``."""
    for entry in reversed(stack):
        found = re.match(r'\s*File "([^"]+)", line (\d+).*\n?\s*(.*)', entry)
        if found and not found[1].startswith((sys.prefix, sys.base_prefix, "<frozen", str(Path(__file__).parent))):
            return f" at {Path(found[1]).name}:{found[2]} `{found[3].strip()[:100]}`"
    return ""


class Operations(TorchDispatchMode):
    """Remember the first operation that made a NaN or an infinity of numbers that were none."""

    def __init__(self, torch):
        super().__init__()
        self.torch = torch
        self.first = None

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name
        if self.first or name in FILLS:
            return function(*args, **(kwargs or {}))
        before = self.faults((args, kwargs))  # now, for it may write into what it is given
        result = function(*args, **(kwargs or {}))
        if self.faults(result) > before:
            self.first = f"{name}{place(str(Path(self.torch.__file__).parent))}"
        return result

    def faults(self, tree):
        """Give 2 where there is a NaN, 1 where there are infinities alone (a mask, a start of a maximum), else 0."""
        bad = [t for t in floats(self.torch, tree) if not is_finite(self.torch, t)]
        return 2 if any(bool(t.detach().isnan().any()) for t in bad) else int(bool(bad))


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
